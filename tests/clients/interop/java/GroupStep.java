// A group of two: one reads, a second one joins, reads its share and leaves, the first one reads on. Each commits what it has
// read before it polls again.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

class GroupStep {
    static final int PART = 120;

    static class Member extends Thread implements ConsumerRebalanceListener {
        final List<List<Object>> records = Collections.synchronizedList(new ArrayList<>());
        volatile int assigned = 0;
        volatile boolean stop = false;
        volatile Throwable failed = null;

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            assigned -= partitions.size();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            assigned += partitions.size();
        }

        @Override
        public void run() {
            try (KafkaConsumer<String, String> from = Matrix.consumer(Matrix.own("group"))) {
                from.subscribe(List.of(Matrix.own("group")), this);
                while (!stop) {
                    ConsumerRecords<String, String> polled = from.poll(Duration.ofMillis(100));
                    for (ConsumerRecord<String, String> record : polled) {
                        records.add(List.of(record.partition(), record.offset(), record.value()));
                    }
                    if (!polled.isEmpty()) {
                        from.commitSync();
                    }
                }
            } catch (Throwable e) {
                e.printStackTrace();
                failed = e;
            }
        }
    }

    static Map<String, Object> run() throws Exception {
        Member first = new Member();
        Member second = new Member();
        try (KafkaProducer<String, String> to = Matrix.producer()) {
            String topic = Matrix.own("group");
            BasicSteps.send(to, topic, 0, PART);
            first.start();
            Matrix.waitFor("the first part is read", 20, () -> first.records.size() >= PART);
            second.start();
            Matrix.waitFor("both have partitions", 20, () -> second.assigned == 2 && first.assigned == 2);
            BasicSteps.send(to, topic, PART, PART);
            Matrix.waitFor("the second part is read", 20, () -> first.records.size() + second.records.size() >= 2 * PART);
            second.stop = true;
            second.join(15_000);
            Matrix.waitFor("the first has all partitions", 20, () -> first.assigned == 4);
            BasicSteps.send(to, topic, 2 * PART, PART);
            Matrix.waitFor("the third part is read", 20, () -> first.records.size() + second.records.size() >= 3 * PART);
            Thread.sleep(300);
        } finally {
            first.stop = true;
            second.stop = true;
            first.join(15_000);
            second.join(15_000);
        }
        for (Member member : List.of(first, second)) {
            if (member.failed != null) {
                throw new IllegalStateException(Matrix.root(member.failed));
            }
        }
        return Map.of("first", first.records, "second", second.records);
    }
}
