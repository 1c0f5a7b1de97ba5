// The client matrix with the Java client on the class path: runs the steps that it is told, and prints one JSON line for each.
//
//     java -cp 'JARS/*:CLASSES' Matrix bootstrap=HOST:PORT name=NAME steps=admin,produce,... mirrors=TOPIC:COUNT,... [protocol=consumer]
//
// What each step does and prints stands in tests/src/interop/mod.rs.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Matrix {
    static final Map<String, String> ARGS = new HashMap<>();

    interface Step {
        Map<String, Object> run() throws Exception;
    }

    static String arg(String name) {
        return ARGS.getOrDefault(name, "");
    }

    static String own(String suffix) {
        return arg("name") + "-" + suffix;
    }

    static synchronized void say(Object line) {
        try {
            System.out.println(new ObjectMapper().writeValueAsString(line));
            System.out.flush();
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    static KafkaProducer<String, String> producer(String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", arg("bootstrap"));
        p.put("acks", "all");
        p.put("enable.idempotence", "true");
        p.put("delivery.timeout.ms", "20000");
        p.put("request.timeout.ms", "10000");
        p.put("linger.ms", "5");
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    // Group id null: for assign.
    static KafkaConsumer<String, String> consumer(String group, String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", arg("bootstrap"));
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("fetch.max.wait.ms", "500");
        if (group != null) {
            p.put("group.id", group);
            if (arg("protocol").equals("consumer")) {
                p.put("group.protocol", "consumer");
            } else {
                p.put("heartbeat.interval.ms", "300");
                p.put("session.timeout.ms", "10000");
            }
        }
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static void waitFor(String what, long seconds, java.util.function.BooleanSupplier done) throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (!done.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("not within " + seconds + " s: " + what);
            }
            Thread.sleep(20);
        }
    }

    static String root(Throwable e) {
        while (e.getCause() != null && (e instanceof java.util.concurrent.ExecutionException || e.getClass() == org.apache.kafka.common.KafkaException.class)) {
            e = e.getCause();
        }
        return e.getClass().getSimpleName() + ": " + e.getMessage();
    }

    public static void main(String[] args) throws Exception {
        for (String arg : args) {
            String[] pair = arg.split("=", 2);
            ARGS.put(pair[0], pair[1]);
        }
        Map<String, Step> steps = new HashMap<>();
        steps.put("admin", BasicSteps::admin);
        steps.put("produce", BasicSteps::produce);
        steps.put("transactions", BasicSteps::transactions);
        steps.put("refused", BasicSteps::refused);
        steps.put("group", GroupStep::run);
        steps.put("read", ReadStep::run);
        for (String share : List.of("share", "share-read")) {
            // Only newer clients have it, so it is compiled apart.
            steps.put(share, () -> {
                Object map = Class.forName("ShareSteps").getMethod("run", String.class).invoke(null, share);
                @SuppressWarnings("unchecked")
                Map<String, Object> typed = (Map<String, Object>) map;
                return typed;
            });
        }
        say(Map.of("version", org.apache.kafka.common.utils.AppInfoParser.getVersion()));
        for (String name : arg("steps").split(",")) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("step", name);
            try {
                line.putAll(steps.get(name).run());
            } catch (Throwable e) {
                e.printStackTrace();
                line.put("error", root(e));
            }
            say(line);
        }
        System.exit(0);
    }
}
