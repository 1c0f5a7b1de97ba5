"""A member of a group that reads nothing and commits nothing; leaves when its standard input ends."""
import argparse
import json
import sys
import threading

from confluent_kafka import Consumer

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--group", required=True)
parser.add_argument("--topic", required=True)
args = parser.parse_args()

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
consumer = Consumer({"bootstrap.servers": args.bootstrap, "group.id": args.group, "enable.auto.commit": False})


def assigned(consumer, partitions):
    consumer.assign(partitions)
    consumer.pause(partitions)
    print(json.dumps({"assigned": len(partitions)}), flush=True)


consumer.subscribe([args.topic], on_assign=assigned)
while not stop.is_set():
    consumer.poll(0.2)
consumer.close()
print(json.dumps({"left": True}))
