"""The audit: compares every record of a mirror with the source's, by a client that knows nothing of Linkgate.

    audit.py snapshot --bootstrap B --topics T,T --groups G,G --file F
        reads every committed record of the source and the groups' offsets, and keeps them in F
    audit.py groups --bootstrap GATEWAY --file F
        compares the groups' offsets; to be run before a group goes on at the mirror
    audit.py compare --bootstrap GATEWAY --file F
        reads the mirrors and counts the differences: offset, timestamp, key, value, headers

Records that a mirror holds beyond the source's end are writes after the promote or failover; they are counted apart.
"""
import argparse
import hashlib
import json
import pickle
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["snapshot", "groups", "compare"])
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--file", required=True)
parser.add_argument("--topics", default="")
parser.add_argument("--groups", default="")
parser.add_argument("--timeout", type=float, default=120)
args = parser.parse_args()


def read(topics):
    """Every committed record: {(topic, partition): {offset: (timestamp, digest, bytes)}} and the log ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap,
            "group.id": "audit",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 65536,
        }
    )
    where = [
        TopicPartition(topic, p, 0)
        for topic in topics
        for p in sorted(consumer.list_topics(topic, 30).topics[topic].partitions)
    ]
    consumer.assign(where)
    records = {(p.topic, p.partition): {} for p in where}
    repeated = 0
    ended = set()
    deadline = time.monotonic() + args.timeout
    while len(ended) < len(where):
        if time.monotonic() > deadline:
            sys.exit("the audit read %d of %d partitions to their end in time" % (len(ended), len(where)))
        for m in consumer.consume(10000, 0.5):
            at = (m.topic(), m.partition())
            if m.error() is not None:
                if m.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(at)
                    continue
                sys.exit("audit of %s-%d: %s" % (at[0], at[1], m.error()))
            key, value, headers = m.key(), m.value(), m.headers()
            digest = hashlib.blake2b(repr((key, value, headers)).encode(), digest_size=16).digest()
            size = len(key or b"") + len(value or b"") + sum(len(k) + len(v or b"") for k, v in headers or [])
            if m.offset() in records[at]:
                repeated += 1
            records[at][m.offset()] = (m.timestamp(), digest, size)
    ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, 30)[1] for p in where}
    consumer.close()
    return records, ends, repeated


def group_offsets(groups):
    admin = AdminClient({"bootstrap.servers": args.bootstrap})
    found = {}
    for group in groups:
        answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        for p in answer[group].result(60).topic_partitions:
            if p.offset >= 0:
                found[(group, p.topic, p.partition)] = p.offset
    return found


if args.mode == "snapshot":
    topics = args.topics.split(",")
    records, ends, repeated = read(topics)
    groups = group_offsets(args.groups.split(",") if args.groups else [])
    # Offsets of topics that are not mirrored do not concern the mirror.
    groups = {k: v for k, v in groups.items() if k[1] in topics}
    with open(args.file, "wb") as file:
        pickle.dump((topics, args.groups, records, ends, groups), file)
    print(json.dumps({
        "records": sum(len(r) for r in records.values()),
        "bytes": sum(size for r in records.values() for _, _, size in r.values()),
        "by_topic": {t: sum(len(r) for (name, _), r in records.items() if name == t) for t in topics},
        "groups": {"%s %s-%d" % k: v for k, v in sorted(groups.items())},
    }))
    sys.exit(0)

with open(args.file, "rb") as file:
    topics, group_names, source, ends, source_groups = pickle.load(file)
if args.mode == "groups":
    mirror_groups = {k: v for k, v in group_offsets(group_names.split(",")).items() if k[1] in topics}
    examples = [
        "group %s %s-%d: %s on the source, %s on the mirror" % (*key, source_groups.get(key), mirror_groups.get(key))
        for key in sorted(set(source_groups) | set(mirror_groups))
        if source_groups.get(key) != mirror_groups.get(key)
    ]
    print(json.dumps({
        "offsets": len(source_groups),
        "group_offset_differences": len(examples),
        "examples": examples[:5],
    }))
    sys.exit(0)

mirror, mirror_ends, repeated = read(topics)
differences, examples, after = repeated, [], 0
for at in sorted(set(source) | set(mirror)):
    a, b, end = source.get(at, {}), mirror.get(at, {}), ends.get(at, 0)
    for offset in sorted(set(a) | set(b)):
        if offset >= end:
            after += 1
            continue
        if a.get(offset) != b.get(offset):
            differences += 1
            if len(examples) < 5:
                what = "missing on the mirror" if offset not in b else "not on the source" if offset not in a else "differs"
                examples.append("%s-%d offset %d %s" % (at[0], at[1], offset, what))
    if mirror_ends.get(at, 0) < end:
        differences += 1
        examples.append("%s-%d ends at %d, not at %d" % (at[0], at[1], mirror_ends.get(at, 0), end))
print(json.dumps({
    "records": sum(len(r) for r in source.values()),
    "bytes": sum(size for r in source.values() for _, _, size in r.values()),
    "differences": differences,
    "written_after": after,
    "examples": examples,
}))
