"""Writes 300 records (100 of them in a transaction), reads them back as a group, with confluent-kafka."""
import argparse
import json
import sys
import time

from confluent_kafka import Consumer, Producer

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
args = parser.parse_args()

producer = Producer({"bootstrap.servers": args.bootstrap, "compression.codec": "zstd", "enable.idempotence": True})
for n in range(200):
    producer.produce(args.topic, key=str(n).encode(), value=b"plain")
if producer.flush(60):
    sys.exit("records were not answered")
producer = Producer({"bootstrap.servers": args.bootstrap, "transactional.id": "roundtrip"})
producer.init_transactions(60)
for abort in (True, False):
    producer.begin_transaction()
    for n in range(100):
        producer.produce(args.topic, key=str(n).encode(), value=b"transaction")
    if abort:
        producer.flush(60)
        producer.abort_transaction(60)
    else:
        producer.commit_transaction(60)

consumer = Consumer({"bootstrap.servers": args.bootstrap, "group.id": "roundtrip-confluent", "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
consumer.subscribe([args.topic])
read = 0
deadline = time.monotonic() + 60
while read < 300 and time.monotonic() < deadline:
    for message in consumer.consume(100, 0.5):
        if message.error() is None:
            read += 1
consumer.commit(asynchronous=False)
consumer.close()
print(json.dumps({"read": read}))
