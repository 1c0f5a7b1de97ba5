"""Reads a topic with kafka-python until its position has reached the end of every partition; prints how many records it
saw."""
import argparse
import json
import sys
import time

from kafka import KafkaConsumer, TopicPartition

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
parser.add_argument("--count", type=int, default=0, help="ignored: the position tells the end")
args = parser.parse_args()

consumer = KafkaConsumer(bootstrap_servers=args.bootstrap, enable_auto_commit=False, isolation_level="read_committed",
                         auto_offset_reset="earliest")
where = [TopicPartition(args.topic, p) for p in sorted(consumer.partitions_for_topic(args.topic))]
consumer.assign(where)
consumer.seek_to_beginning()
ends = consumer.end_offsets(where)
read = 0
deadline = time.monotonic() + 60
while any(consumer.position(p) < ends[p] for p in where):
    if time.monotonic() > deadline:
        sys.exit("%d records read, positions %s of %s" % (read, [consumer.position(p) for p in where], ends))
    read += sum(len(records) for records in consumer.poll(500).values())
consumer.close()
print(json.dumps({"read": read}))
