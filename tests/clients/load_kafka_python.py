"""Writes numbers to a topic and reads them in a group with kafka-python, until its input ends; then prints what was acknowledged
and read, and every error that the application saw, by kind."""
import argparse
import collections
import json
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
args = parser.parse_args()

errors = collections.Counter()
acked, seen = set(), set()
counts = collections.Counter()
writing, reading = threading.Event(), threading.Event()
writing.set()
reading.set()


def failed(where, error):
    kind = "%s: %s" % (where, type(error).__name__)
    errors[kind] += 1
    print("%s: %s" % (kind, error), file=sys.stderr, flush=True)


def write():
    producer = KafkaProducer(bootstrap_servers=args.bootstrap.split(","), acks="all", enable_idempotence=True,
                             client_id="load-kafka-python")

    def refused(error):
        counts["failed"] += 1
        failed("send", error)

    number = 0
    while writing.is_set():
        try:
            sent = producer.send(args.topic, partition=number % 3, value=b"%d" % number)
            sent.add_callback(lambda _, n=number: acked.add(n))
            sent.add_errback(refused)
        except KafkaError as error:
            refused(error)
        number += 1
        time.sleep(0.02)
    producer.flush(timeout=60)
    producer.close()


def read():
    consumer = KafkaConsumer(bootstrap_servers=args.bootstrap.split(","), group_id="load-" + args.topic,
                             auto_offset_reset="earliest", enable_auto_commit=False, client_id="load-kafka-python")
    # One that joins before it knows its topics may get no partitions, and never ask again (with brokers, too).
    consumer.partitions_for_topic(args.topic)
    consumer.subscribe([args.topic])
    # A poll that ends in the midst of joining may leave the member rebalancing for good (with brokers, too).
    commit, patience = time.monotonic(), 5000
    while reading.is_set():
        try:
            polled, patience = consumer.poll(timeout_ms=patience), 200
            for records in polled.values():
                for record in records:
                    number = int(record.value)
                    if number in seen:
                        counts["repeated"] += 1
                    seen.add(number)
        except KafkaError as error:
            failed("poll", error)
        if time.monotonic() - commit > 1:
            commit = time.monotonic()
            try:
                consumer.commit()
            except KafkaError as error:
                # What may be tried again is: a second later.
                if not error.retriable:
                    failed("commit", error)
    consumer.close()


threads = [threading.Thread(target=write), threading.Thread(target=read)]
for thread in threads:
    thread.start()
sys.stdin.read()
writing.clear()
threads[0].join()
end = time.monotonic() + 60
while time.monotonic() < end and not acked <= seen:
    time.sleep(0.1)
reading.clear()
threads[1].join()
print(json.dumps({"acked": len(acked), "failed": counts["failed"], "missing": len(acked - seen),
                  "repeated": counts["repeated"], "errors": dict(sorted(errors.items()))}))
