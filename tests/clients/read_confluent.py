"""Reads a topic from its beginning to its end with confluent-kafka and prints how many records it saw."""
import argparse
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
parser.add_argument("--count", type=int, default=0, help="ignored: this client sees the end of a partition")
args = parser.parse_args()

consumer = Consumer({"bootstrap.servers": args.bootstrap, "group.id": "reader", "enable.partition.eof": True,
                     "isolation.level": "read_committed", "enable.auto.commit": False})
partitions = consumer.list_topics(args.topic, 30).topics[args.topic].partitions
consumer.assign([TopicPartition(args.topic, p, 0) for p in partitions])
read, ended = 0, set()
deadline = time.monotonic() + 60
while len(ended) < len(partitions):
    if time.monotonic() > deadline:
        sys.exit("%d records read, and no end of the partition" % read)
    for message in consumer.consume(100, 0.5):
        if message.error() is None:
            read += 1
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            sys.exit(str(message.error()))
consumer.close()
print(json.dumps({"read": read}))
