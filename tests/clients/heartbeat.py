"""How far behind a mirror is, in milliseconds, as a client sees it.

Writes a record to the source twenty times a second and reads the mirror topic through the gateway; the lag of a record is
the time from its timestamp to its arrival. Runs until its standard input ends, then prints one JSON line.
"""
import argparse
import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

parser = argparse.ArgumentParser()
parser.add_argument("--source", required=True)
parser.add_argument("--gateway", required=True)
parser.add_argument("--topic", required=True)
args = parser.parse_args()

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

consumer = Consumer({"bootstrap.servers": args.gateway, "group.id": "heartbeat-probe", "fetch.wait.max.ms": 20,
                     "enable.auto.commit": False})
consumer.assign([TopicPartition(args.topic, 0, 0)])
# One request at a time: behind a slow one, records wait together for the next request instead of each in a request of its
# own. A broker answers the requests of a connection one after the other, and that queue would be taken for the mirror's lag.
producer = Producer({"bootstrap.servers": args.source, "linger.ms": 0, "max.in.flight": 1})
lags = []
sent = 0
next_send = time.time()
while not stop.is_set():
    now = time.time()
    if now >= next_send:
        producer.produce(args.topic, key=b"beat", value=str(sent).encode())
        sent += 1
        next_send = max(next_send + 0.05, now)
    producer.poll(0)
    for message in consumer.consume(100, 0.005):
        if message.error() is None:
            lags.append(time.time() * 1000 - message.timestamp()[1])
producer.flush(30)
consumer.close()
# The first second is that of connections being made.
lags = sorted(lags[20:])
if not lags:
    sys.exit("no heartbeat arrived at the mirror")


def quantile(q):
    return round(lags[min(len(lags) - 1, int(q * len(lags)))], 1)


print(json.dumps({"beats": len(lags), "p50_ms": quantile(0.5), "p99_ms": quantile(0.99), "max_ms": round(lags[-1], 1)}))
