"""A consumer of a group: reads --max records, or to the end of every partition, commits and leaves.

Prints one JSON line: how many records, the first offset read and the next offset of every partition.
"""
import argparse
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--group", required=True)
parser.add_argument("--topics", required=True)
parser.add_argument("--max", type=int, default=0, help="so many records; 0 reads to the end")
parser.add_argument("--timeout", type=float, default=90)
args = parser.parse_args()
topics = args.topics.split(",")

consumer = Consumer(
    {
        "bootstrap.servers": args.bootstrap,
        "group.id": args.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        # Small portions, so that a partial read is a partial read of every partition.
        "max.partition.fetch.bytes": 262144,
    }
)
assigned = []
consumer.subscribe(topics, on_assign=lambda _c, partitions: assigned.extend(partitions))
first, counts, ended = {}, {}, set()
gaps = []
total = 0
deadline = time.monotonic() + args.timeout
while True:
    if time.monotonic() > deadline:
        sys.exit("group %s read %d records and did not come to an end in %.0f s" % (args.group, total, args.timeout))
    for message in consumer.consume(500, 0.2):
        where = "%s-%d" % (message.topic(), message.partition())
        if message.error() is not None:
            if message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(where)
                continue
            sys.exit("group %s: %s" % (args.group, message.error()))
        ended.discard(where)
        first.setdefault(where, message.offset())
        counts[where] = counts.get(where, 0) + 1
        total += 1
    if args.max and total >= args.max:
        break
    if not args.max and assigned and len(ended) == len(assigned):
        break
next_offsets = {}
for p in consumer.position(assigned):
    if p.offset >= 0:
        next_offsets["%s-%d" % (p.topic, p.partition)] = p.offset
if total:
    consumer.commit(asynchronous=False)
consumer.close()
print(json.dumps({"records": total, "first": first, "counts": counts, "next": next_offsets}))
