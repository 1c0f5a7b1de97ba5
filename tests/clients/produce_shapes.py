"""Writes every shape of record with a Python client, in every codec that it has, and prints how many.

    produce_shapes.py --client confluent|kafka-python --bootstrap B --topics T,T --large T

Each topic gets the same records, in two partitions; the large one gets a record of 10 MiB. The shapes are those of Produce.java.
"""
import argparse
import json
import random
import time

parser = argparse.ArgumentParser()
parser.add_argument("--client", choices=["confluent", "kafka-python"], required=True)
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topics", required=True)
parser.add_argument("--large", required=True)
args = parser.parse_args()
MAX = 12 << 20


class Confluent:
    codecs = ["none", "gzip:1", "gzip:9", "snappy", "lz4:1", "lz4:12", "zstd:1", "zstd:12"]

    def __init__(self, codec, level, idempotent):
        from confluent_kafka import Producer

        config = {
            "bootstrap.servers": args.bootstrap,
            "compression.codec": codec,
            "enable.idempotence": idempotent,
            "linger.ms": 50,
            "batch.num.messages": 100000,
            "message.max.bytes": MAX,
        }
        if level:
            config["compression.level"] = int(level)
        self.producer = Producer(config)
        self.failures = []

    def send(self, topic, partition, key, value, headers=None, time_ms=None):
        more = {} if time_ms is None else {"timestamp": time_ms}
        answered = lambda error, _: self.failures.append(str(error)) if error else None
        self.producer.produce(topic, value, key, partition, headers=headers, on_delivery=answered, **more)
        self.producer.poll(0)

    def flush(self):
        left = self.producer.flush(60)
        assert not left and not self.failures, (left, self.failures[:3])


class KafkaPython:
    # Its own encoder; it has no snappy without one more library.
    codecs = ["none", "gzip", "lz4", "zstd"]

    def __init__(self, codec, _level, idempotent):
        from kafka import KafkaProducer

        self.producer = KafkaProducer(
            bootstrap_servers=args.bootstrap,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=50,
            batch_size=1000000,
            max_request_size=MAX,
            buffer_memory=64 << 20,
        )
        self.sent = []

    def send(self, topic, partition, key, value, headers=None, time_ms=None):
        self.sent.append(self.producer.send(topic, value, key, headers or [], partition, time_ms))

    def flush(self):
        self.producer.flush(60)
        for future in self.sent:
            future.get(60)
        self.sent = []


def shapes(to, topic, many):
    count = 0

    def send(*record, **more):
        nonlocal count
        to.send(topic, *record, **more)
        count += 1

    # A batch of one.
    send(0, b"alone", b"x" * 200)
    to.flush()
    send(0, None, None)
    send(0, b"", b"")
    send(0, b"no value", None)
    send(0, None, b"no key")
    send(0, b"headers", b"h", headers=[("a", b"1"), ("a", b"2"), ("", b""), ("null", None), ("ключ", "значение".encode())])
    now, year = int(time.time() * 1000), 365 * 24 * 3600000
    for time_ms in [now, 1, now - 40 * year, now + 50 * year, now + 1, now - 1, 253402300800000]:
        send(0, b"time %d" % time_ms, b"out of order", time_ms=time_ms)
    to.flush()
    for i in range(many):
        send(i % 2, b"key-%d" % i, b'{"n":%d,"text":"%s"}' % (i, b"flight " * (1 + i % 17)))
    to.flush()
    return count


client = Confluent if args.client == "confluent" else KafkaPython
records = 0
for i, name in enumerate(client.codecs):
    codec, _, level = name.partition(":")
    to = client(codec, level, i % 2 == 0)
    # Uncompressed and at the end: enough for batches of the largest size.
    ends = i in (0, len(client.codecs) - 1)
    for topic in args.topics.split(","):
        records += shapes(to, topic, 10000 if ends else 300)
large = random.Random(7).randbytes(10 << 20)
for codec in ["none", "lz4"]:
    to = client(codec, "", True)
    to.send(args.large, 0, b"large", large)
    to.flush()
print(json.dumps({"records": records, "large": 2}))
