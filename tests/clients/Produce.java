// Writes every shape of record with the Java client on the class path, in every codec that it has, and prints how many.
//
//     java -cp 'JARS/*' Produce.java BOOTSTRAP TOPIC,TOPIC LARGE_TOPIC
//
// Each topic gets the same records, in two partitions; the large one gets a record of 10 MiB.
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Produce {
    static final List<Future<RecordMetadata>> SENT = new ArrayList<>();
    static int count = 0;

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, String codec, String level, boolean idempotent) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("compression.type", codec);
        if (level != null) {
            // Clients before 3.8 do not know it and say so.
            p.put("compression." + codec + ".level", level);
        }
        p.put("enable.idempotence", idempotent);
        p.put("acks", "all");
        p.put("linger.ms", 50);
        p.put("batch.size", 1_000_000);
        p.put("max.request.size", 12 << 20);
        p.put("buffer.memory", 64 << 20);
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void send(KafkaProducer<byte[], byte[]> to, String topic, int partition, Long time, byte[] key, byte[] value, Header... headers) {
        SENT.add(to.send(new ProducerRecord<>(topic, partition, time, key, value, List.of(headers))));
        count++;
    }

    static void shapes(KafkaProducer<byte[], byte[]> to, String topic, int many) throws Exception {
        // A batch of one.
        send(to, topic, 0, null, bytes("alone"), bytes("x".repeat(200)));
        to.flush();
        send(to, topic, 0, null, null, null);
        send(to, topic, 0, null, new byte[0], new byte[0]);
        send(to, topic, 0, null, bytes("no value"), null);
        send(to, topic, 0, null, null, bytes("no key"));
        send(to, topic, 0, null, bytes("headers"), bytes("h"), new RecordHeader("a", bytes("1")), new RecordHeader("a", bytes("2")),
            new RecordHeader("", new byte[0]), new RecordHeader("null", null), new RecordHeader("ключ", bytes("значение")));
        long now = System.currentTimeMillis();
        long year = 365L * 24 * 3_600_000;
        for (long time : new long[] {now, 0, 1, now - 40 * year, now + 50 * year, now + 1, now - 1, 253_402_300_800_000L}) {
            send(to, topic, 0, time, bytes("time " + time), bytes("out of order"));
        }
        to.flush();
        for (int i = 0; i < many; i++) {
            send(to, topic, i % 2, null, bytes("key-" + i), bytes("{\"n\":" + i + ",\"text\":\"" + "flight ".repeat(1 + i % 17) + "\"}"));
        }
        to.flush();
    }

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        String[] codecs = {"none", "gzip:1", "gzip:9", "snappy", "lz4:1", "lz4:17", "zstd:1", "zstd:19"};
        for (int i = 0; i < codecs.length; i++) {
            String[] codec = codecs[i].split(":");
            try (KafkaProducer<byte[], byte[]> to = producer(bootstrap, codec[0], codec.length > 1 ? codec[1] : null, i % 2 == 0)) {
                for (String topic : args[1].split(",")) {
                    // Uncompressed and at the end: enough for batches of the largest size.
                    shapes(to, topic, i == 0 || i == codecs.length - 1 ? 20_000 : 300);
                }
            }
        }
        int small = count;
        byte[] large = new byte[10 << 20];
        new Random(7).nextBytes(large);
        for (String codec : new String[] {"none", "lz4"}) {
            try (KafkaProducer<byte[], byte[]> to = producer(bootstrap, codec, null, true)) {
                send(to, args[2], 0, null, bytes("large"), large);
            }
        }
        for (Future<RecordMetadata> sent : SENT) {
            sent.get();
        }
        System.out.println("{\"records\":" + small + ",\"large\":" + (count - small) + "}");
    }
}
