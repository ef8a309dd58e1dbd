import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Produces one post, then prints results until that of the post; `java -cp JARS Posts.java HOST:PORT`. */
public class Posts {
    public static void main(String[] arguments) throws Exception {
        Properties producing = new Properties();
        producing.put("bootstrap.servers", arguments[0]);
        producing.put("acks", "all");
        String id = "java-1";
        String post = "{\"id\": \"" + id + "\", \"text\": \"Anita Borg speaks in Lisbon tonight\"}";
        try (var producer = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>("posts.raw", id, post)).get();
        }

        Properties consuming = new Properties();
        consuming.put("bootstrap.servers", arguments[0]);
        consuming.put("group.id", "my-java-application");
        consuming.put("auto.offset.reset", "earliest");
        consuming.put("isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(consuming, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("posts.entities"));
            while (true) {
                for (ConsumerRecord<String, String> result : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(result.value());
                    if (id.equals(result.key())) {
                        return;
                    }
                }
            }
        }
    }
}
