// Reads the mirror topics four times at once: with assign and in a group, with small fetches and with ordinary ones.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

class ReadStep {
    static class Reader extends Thread {
        final String variant;
        final List<String> topics;
        final int expected;
        final Map<String, List<List<Object>>> records = new ConcurrentHashMap<>();
        final Map<String, Long> positions = new LinkedHashMap<>();
        volatile int count = 0;
        volatile boolean stop = false;
        volatile Throwable failed = null;

        Reader(String variant, List<String> topics, int expected) {
            this.variant = variant;
            this.topics = topics;
            this.expected = expected;
            topics.forEach(topic -> records.put(topic, Collections.synchronizedList(new ArrayList<>())));
        }

        @Override
        public void run() {
            boolean group = variant.startsWith("group");
            String bytes = variant.endsWith("small") ? "1024" : "1048576";
            String isolation = group ? "read_uncommitted" : "read_committed";
            try (KafkaConsumer<String, String> from =
                Matrix.consumer(group ? Matrix.own("read-" + variant) : null, "max.partition.fetch.bytes", bytes, "isolation.level", isolation)) {
                List<TopicPartition> partitions = new ArrayList<>();
                topics.forEach(topic -> partitions.add(new TopicPartition(topic, 0)));
                if (group) {
                    from.subscribe(topics);
                } else {
                    from.assign(partitions);
                    from.seekToBeginning(partitions);
                }
                while (!stop) {
                    ConsumerRecords<String, String> polled = from.poll(Duration.ofMillis(200));
                    for (ConsumerRecord<String, String> record : polled) {
                        records.get(record.topic()).add(List.of(record.offset(), record.value()));
                    }
                    count += polled.count();
                }
                for (TopicPartition partition : partitions) {
                    positions.put(partition.topic(), from.position(partition, Duration.ofSeconds(5)));
                }
                if (group) {
                    from.commitSync();
                }
            } catch (Throwable e) {
                e.printStackTrace();
                failed = e;
            }
        }
    }

    static Map<String, Object> run() throws Exception {
        List<String> topics = new ArrayList<>();
        int expected = 0;
        for (String mirror : Matrix.arg("mirrors").split(",")) {
            topics.add(mirror.split(":")[0]);
            expected += Integer.parseInt(mirror.split(":")[1]);
        }
        List<Reader> readers = new ArrayList<>();
        for (String variant : List.of("assign", "assign-small", "group", "group-small")) {
            readers.add(new Reader(variant, topics, expected));
        }
        readers.forEach(Thread::start);
        long end = System.nanoTime() + 25_000_000_000L;
        while (System.nanoTime() < end && readers.stream().anyMatch(r -> r.count < r.expected && r.failed == null)) {
            Thread.sleep(50);
        }
        // Whoever has to step over filler at the end of a log shall have done so.
        Thread.sleep(1_000);
        Matrix.say(Map.of("tail", "begin"));
        Thread.sleep(Long.parseLong(Matrix.arg("tail")));
        Matrix.say(Map.of("tail", "end"));
        readers.forEach(reader -> reader.stop = true);
        Map<String, Object> variants = new LinkedHashMap<>();
        for (Reader reader : readers) {
            reader.join(15_000);
            Map<String, Object> said = new LinkedHashMap<>();
            said.put("records", reader.records);
            said.put("positions", reader.positions);
            if (reader.failed != null) {
                said.put("error", Matrix.root(reader.failed));
            }
            variants.put(reader.variant, said);
        }
        return Map.of("variants", variants);
    }
}
