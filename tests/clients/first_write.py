"""Tries to write to a topic until a write is accepted; prints when that was, in milliseconds since the epoch.

Prints `{"refused": true}` first, once a write has been refused: from then on the connection is warm.
"""
import argparse
import json
import sys
import time

from confluent_kafka import Producer

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", required=True)
parser.add_argument("--partition", type=int, default=0)
parser.add_argument("--timeout", type=float, default=90)
args = parser.parse_args()

producer = Producer({"bootstrap.servers": args.bootstrap, "linger.ms": 0, "retries": 0})
outcome = []


def answered(error, message):
    outcome.append((error, message, time.time() * 1000))


deadline = time.monotonic() + args.timeout
told = False
while time.monotonic() < deadline:
    outcome.clear()
    producer.produce(args.topic, key=b"first-write", value=b"after the failover", partition=args.partition,
                     on_delivery=answered)
    producer.flush(10)
    if outcome and outcome[0][0] is None:
        print(json.dumps({"at_ms": outcome[0][2], "offset": outcome[0][1].offset()}), flush=True)
        sys.exit(0)
    if outcome and not told:
        print(json.dumps({"refused": True, "error": str(outcome[0][0])}), flush=True)
        told = True
    time.sleep(0.005)
sys.exit("no write to %s was accepted" % args.topic)
