// Admin calls, producing, transactions, and what a read-only mirror topic answers.
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;

class BasicSteps {
    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(15, TimeUnit.SECONDS);
    }

    static Map<String, Object> admin() throws Exception {
        Map<String, Object> said = new LinkedHashMap<>();
        String topic = Matrix.own("admin");
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", Matrix.arg("bootstrap")))) {
            get(admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all());
            Matrix.waitFor("the topic is listed", 10, () -> listed(admin, topic));
            said.put("listed", true);
            said.put("partitions", describe(admin, topic).partitions().size());
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Collection<AlterConfigOp> set = List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "123456789"), AlterConfigOp.OpType.SET));
            get(admin.incrementalAlterConfigs(Map.of(resource, set)).all());
            // A broker learns of it a moment after the controller.
            Matrix.waitFor("the config is set", 10, () -> config(admin, resource).equals("123456789"));
            said.put("config", config(admin, resource));
            get(admin.deleteTopics(List.of(topic)).all());
            Matrix.waitFor("the topic is gone", 10, () -> !listed(admin, topic));
            said.put("deleted", true);
        }
        return said;
    }

    // all() until 4.0, allTopicNames() since 3.1.
    @SuppressWarnings("unchecked")
    static TopicDescription describe(Admin admin, String topic) throws Exception {
        DescribeTopicsResult described = admin.describeTopics(List.of(topic));
        Method all;
        try {
            all = DescribeTopicsResult.class.getMethod("allTopicNames");
        } catch (NoSuchMethodException e) {
            all = DescribeTopicsResult.class.getMethod("all");
        }
        return get((KafkaFuture<Map<String, TopicDescription>>) all.invoke(described)).get(topic);
    }

    static String config(Admin admin, ConfigResource resource) {
        try {
            return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get("retention.ms").value();
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    static boolean listed(Admin admin, String topic) {
        try {
            return get(admin.listTopics().names()).contains(topic);
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    // Records FROM to TO, keyed, with a header each.
    static void send(KafkaProducer<String, String> to, String topic, int from, int count) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = from; i < from + count; i++) {
            byte[] header = Integer.toString(i).getBytes();
            sent.add(to.send(new ProducerRecord<>(topic, null, "k" + i, "v" + i, List.of(new RecordHeader("n", header)))));
        }
        to.flush();
        for (Future<RecordMetadata> future : sent) {
            future.get(20, TimeUnit.SECONDS);
        }
    }

    static Map<String, Object> produce() throws Exception {
        try (KafkaProducer<String, String> to = Matrix.producer()) {
            send(to, Matrix.own("produce"), 0, 400);
        }
        return Map.of("sent", 400);
    }

    static Map<String, Object> transactions() throws Exception {
        String topic = Matrix.own("transactions");
        try (KafkaProducer<String, String> to = Matrix.producer("transactional.id", topic)) {
            to.initTransactions();
            for (int i = 0; i < 3; i++) {
                to.beginTransaction();
                send(to, topic, i * 20, 20);
                if (i == 1) {
                    to.abortTransaction();
                } else {
                    to.commitTransaction();
                }
            }
        }
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> from = Matrix.consumer(null, "isolation.level", "read_committed")) {
            from.assign(List.of(new TopicPartition(topic, 0)));
            from.seekToBeginning(from.assignment());
            // What comes after the last one that is expected would be wrong, so there is a moment for it.
            long end = System.nanoTime() + 15_000_000_000L;
            while (System.nanoTime() < end) {
                for (ConsumerRecord<String, String> record : from.poll(Duration.ofMillis(values.size() < 40 ? 200 : 600))) {
                    values.add(record.value());
                }
                if (values.size() >= 40) {
                    end = Math.min(end, System.nanoTime() + 500_000_000L);
                }
            }
        }
        return Map.of("values", values);
    }

    static Map<String, Object> refused() throws Exception {
        Map<String, Object> said = new LinkedHashMap<>();
        String topic = Matrix.arg("mirrors").split(":")[0];
        try (KafkaProducer<String, String> to = Matrix.producer()) {
            try {
                send(to, topic, 0, 1);
                said.put("write", "accepted");
            } catch (Exception e) {
                said.put("write", Matrix.root(e));
            }
        }
        try (KafkaProducer<String, String> to = Matrix.producer("transactional.id", Matrix.own("refused"))) {
            to.initTransactions();
            to.beginTransaction();
            try {
                send(to, topic, 0, 1);
                said.put("transaction", "accepted");
            } catch (Exception e) {
                said.put("transaction", Matrix.root(e));
            }
            try {
                to.abortTransaction();
                said.put("abort", "ok");
            } catch (Exception e) {
                said.put("abort", Matrix.root(e));
            }
        }
        return said;
    }
}
