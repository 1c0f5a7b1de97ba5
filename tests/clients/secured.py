"""One client, confluent-kafka, with the configs of --config (JSON): writes --write records to --topic, then reads --read of it as
the group --group, over --seconds at least. Says what came of it, also when the brokers refuse."""
import argparse
import json
import time

from confluent_kafka import Consumer, KafkaException, Producer

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--topic", required=True)
parser.add_argument("--write", type=int, default=0)
parser.add_argument("--read", type=int, default=0)
parser.add_argument("--group", default="secured")
parser.add_argument("--seconds", type=float, default=0)
args = parser.parse_args()

said = []
base = dict(json.loads(args.config), error_cb=lambda error: said.append(error.name()))
written, read, refused = 0, 0, []


def delivered(error, message):
    global written
    if error is None:
        written += 1
    else:
        refused.append(error.name())


begin = time.monotonic()
if args.write:
    producer = Producer(dict(base, **{"message.timeout.ms": 10000, "linger.ms": 0}))
    for n in range(args.write):
        producer.produce(args.topic, key=str(n).encode(), value=b"x" * 100, on_delivery=delivered)
        producer.poll(0)
        left = begin + args.seconds - time.monotonic()
        if args.seconds and left > 0:
            producer.poll(args.seconds / args.write)
    producer.flush(30)
if args.read:
    consumer = Consumer(dict(base, **{"group.id": args.group, "auto.offset.reset": "earliest"}))
    consumer.subscribe([args.topic])
    deadline = time.monotonic() + 30
    while read < args.read and time.monotonic() < deadline and not refused:
        message = consumer.poll(0.5)
        if message is None:
            if "_AUTHENTICATION" in said:
                break
        elif message.error() is None:
            read += 1
        else:
            refused.append(message.error().name())
    consumer.close()
print(json.dumps({"written": written, "read": read, "refused": sorted(set(refused)), "said": sorted(set(said))}))
