// Share groups (KIP-932): two members of which one joins later and leaves earlier, and reading the mirror topics.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

public class ShareSteps {
    static class Member extends Thread {
        final String group;
        final List<String> topics;
        final Map<String, List<List<Object>>> records = new ConcurrentHashMap<>();
        volatile int count = 0;
        volatile boolean stop = false;
        volatile Throwable failed = null;

        Member(String group, List<String> topics) {
            this.group = group;
            this.topics = topics;
            topics.forEach(topic -> records.put(topic, Collections.synchronizedList(new ArrayList<>())));
        }

        @Override
        public void run() {
            Properties p = new Properties();
            p.put("bootstrap.servers", Matrix.arg("bootstrap"));
            p.put("group.id", group);
            p.put("fetch.max.wait.ms", "500");
            try (KafkaShareConsumer<String, String> from = new KafkaShareConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
                from.subscribe(topics);
                while (!stop) {
                    ConsumerRecords<String, String> polled = from.poll(Duration.ofMillis(200));
                    for (ConsumerRecord<String, String> record : polled) {
                        // What was read is acknowledged by the next poll.
                        records.get(record.topic()).add(List.of(record.partition(), record.offset(), String.valueOf(record.value())));
                    }
                    count += polled.count();
                }
                from.commitSync(Duration.ofSeconds(5));
            } catch (Throwable e) {
                e.printStackTrace();
                failed = e;
            }
        }
    }

    // A share group begins at the end unless it is told otherwise.
    static void fromTheBeginning(String group) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", Matrix.arg("bootstrap")))) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
            Collection<AlterConfigOp> set = List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET));
            BasicSteps.get(admin.incrementalAlterConfigs(Map.of(resource, set)).all());
        }
    }

    static void finish(Member... members) throws Exception {
        for (Member member : members) {
            member.stop = true;
        }
        for (Member member : members) {
            member.join(15_000);
            if (member.failed != null) {
                throw new IllegalStateException(Matrix.root(member.failed));
            }
        }
    }

    static Map<String, Object> share() throws Exception {
        String topic = Matrix.own("share");
        int part = GroupStep.PART;
        fromTheBeginning(topic);
        Member first = new Member(topic, List.of(topic));
        Member second = new Member(topic, List.of(topic));
        try (KafkaProducer<String, String> to = Matrix.producer()) {
            BasicSteps.send(to, topic, 0, part);
            first.start();
            Matrix.waitFor("the first part is read", 30, () -> first.count >= part);
            second.start();
            // A share consumer does not tell what it was assigned: written slowly until the second member has some.
            int sent = part;
            for (; second.count == 0 && sent < 2 * part; sent += 10) {
                BasicSteps.send(to, topic, sent, 10);
                Thread.sleep(500);
            }
            BasicSteps.send(to, topic, sent, 2 * part - sent);
            Matrix.waitFor("the second part is read", 30, () -> first.count + second.count >= 2 * part);
            finish(second);
            BasicSteps.send(to, topic, 2 * part, part);
            Matrix.waitFor("the third part is read", 30, () -> first.count + second.count >= 3 * part);
            Thread.sleep(300);
        } finally {
            finish(first, second);
        }
        return Map.of("first", first.records.get(topic), "second", second.records.get(topic));
    }

    static Map<String, Object> read() throws Exception {
        List<String> topics = new ArrayList<>();
        int expected = 0;
        for (String mirror : Matrix.arg("mirrors").split(",")) {
            topics.add(mirror.split(":")[0]);
            expected += Integer.parseInt(mirror.split(":")[1]);
        }
        String group = Matrix.own("share-read");
        fromTheBeginning(group);
        Member reader = new Member(group, topics);
        reader.start();
        long end = System.nanoTime() + 25_000_000_000L;
        while (System.nanoTime() < end && reader.count < expected && reader.failed == null) {
            Thread.sleep(50);
        }
        Thread.sleep(1_000);
        Matrix.say(Map.of("tail", "begin"));
        Thread.sleep(Long.parseLong(Matrix.arg("tail")));
        Matrix.say(Map.of("tail", "end"));
        finish(reader);
        Map<String, Object> records = new LinkedHashMap<>();
        reader.records.forEach((topic, all) -> {
            List<List<Object>> pairs = new ArrayList<>();
            all.forEach(record -> pairs.add(List.of(record.get(1), record.get(2))));
            records.put(topic, pairs);
        });
        return Map.of("variants", Map.of("share", Map.of("records", records, "positions", Map.of())));
    }

    public static Map<String, Object> run(String step) throws Exception {
        return step.equals("share") ? share() : read();
    }
}
