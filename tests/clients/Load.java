// Writes numbers to a topic and reads them in a group with the Java client on the class path, until its input ends; then prints what
// was acknowledged and read, and every error that the application saw, by kind.
//
//     java -cp 'JARS/*' Load.java BOOTSTRAP TOPIC
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Load {
    static final Map<String, AtomicInteger> ERRORS = new ConcurrentHashMap<>();
    static final Set<Long> ACKED = ConcurrentHashMap.newKeySet();
    static final Set<Long> SEEN = ConcurrentHashMap.newKeySet();
    static final AtomicLong REPEATED = new AtomicLong(), FAILED = new AtomicLong();
    static volatile boolean writing = true, reading = true;

    static void error(String where, Throwable e) {
        String kind = where + ": " + e.getClass().getSimpleName();
        ERRORS.computeIfAbsent(kind, k -> new AtomicInteger()).incrementAndGet();
        System.err.println(kind + ": " + e.getMessage());
    }

    static void write(String bootstrap, String topic) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("acks", "all");
        p.put("client.id", "load-java");
        try (KafkaProducer<String, String> to = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            for (long n = 0; writing; n++) {
                long number = n;
                try {
                    to.send(new ProducerRecord<>(topic, (int) (n % 3), null, Long.toString(n)), (at, e) -> {
                        if (e == null) {
                            ACKED.add(number);
                        } else {
                            FAILED.incrementAndGet();
                            error("send", e);
                        }
                    });
                } catch (Exception e) {
                    FAILED.incrementAndGet();
                    error("send", e);
                }
                sleep(10);
            }
        }
    }

    static void read(String bootstrap, String topic) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", "load-" + topic);
        p.put("client.id", "load-java");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", false);
        try (KafkaConsumer<String, String> from = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            from.subscribe(Collections.singleton(topic));
            long commit = System.currentTimeMillis();
            while (reading) {
                try {
                    from.poll(Duration.ofMillis(200)).forEach(record -> {
                        if (!SEEN.add(Long.parseLong(record.value()))) {
                            REPEATED.incrementAndGet();
                        }
                    });
                } catch (Exception e) {
                    error("poll", e);
                }
                if (System.currentTimeMillis() - commit > 1_000) {
                    commit = System.currentTimeMillis();
                    try {
                        from.commitSync();
                    } catch (RetriableException e) {
                        // A second later.
                    } catch (Exception e) {
                        error("commit", e);
                    }
                }
            }
        }
    }

    static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        Thread writer = new Thread(() -> write(args[0], args[1]));
        Thread reader = new Thread(() -> read(args[0], args[1]));
        writer.start();
        reader.start();
        while (System.in.read() >= 0) {
        }
        writing = false;
        writer.join();
        for (long end = System.currentTimeMillis() + 60_000; System.currentTimeMillis() < end && !SEEN.containsAll(ACKED);) {
            sleep(100);
        }
        reading = false;
        reader.join();
        long missing = ACKED.stream().filter(n -> !SEEN.contains(n)).count();
        StringBuilder errors = new StringBuilder();
        new TreeMap<>(ERRORS).forEach((kind, count) -> errors.append(errors.length() == 0 ? "" : ",").append('"').append(kind).append("\":").append(count));
        System.out.println("{\"acked\":" + ACKED.size() + ",\"failed\":" + FAILED + ",\"missing\":" + missing + ",\"repeated\":" + REPEATED
            + ",\"errors\":{" + errors + "}}");
    }
}
