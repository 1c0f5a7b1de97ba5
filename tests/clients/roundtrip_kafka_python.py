"""Writes 300 records, reads them back as a group, with kafka-python."""
import argparse
import json

from kafka import KafkaConsumer, KafkaProducer

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
args = parser.parse_args()

producer = KafkaProducer(bootstrap_servers=args.bootstrap, compression_type="gzip", linger_ms=5)
answers = [producer.send(args.topic, key=str(n).encode(), value=b"kafka-python") for n in range(300)]
producer.flush(60)
for answer in answers:
    answer.get(60)
producer.close()

consumer = KafkaConsumer(bootstrap_servers=args.bootstrap, group_id="roundtrip-kafka-python",
                         auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=30000)
# One that joins before it knows its topics may get no partitions, and never ask again (with brokers, too).
consumer.partitions_for_topic(args.topic)
consumer.subscribe([args.topic])
read = 0
for _ in consumer:
    read += 1
    if read == 300:
        break
consumer.commit()
consumer.close()
print(json.dumps({"read": read}))
