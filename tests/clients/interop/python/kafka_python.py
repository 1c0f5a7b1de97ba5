"""The client matrix with kafka-python."""
import time

import kafka
import steps
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from steps import BOOTSTRAP, own, wait_for


# A poll that ends in the midst of joining a group may leave its member rebalancing for good (with brokers, too).
FIRST_POLL = 5000


def producer(**more):
    config = {"bootstrap_servers": BOOTSTRAP, "acks": "all", "enable_idempotence": True, "linger_ms": 5}
    config.update(more)
    return KafkaProducer(**config)


def consumer(group, **more):
    config = {
        "bootstrap_servers": BOOTSTRAP, "group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False,
        "fetch_max_wait_ms": 500, "session_timeout_ms": 10000, "heartbeat_interval_ms": 300,
    }
    config.update(more)
    return KafkaConsumer(**config)


def send_with(to, topic, start, count):
    sent = [
        to.send(topic, key=b"k%d" % i, value=b"v%d" % i, headers=[("n", str(i).encode())])
        for i in range(start, start + count)
    ]
    to.flush(25)
    for future in sent:
        future.get(20)


def send(topic, start, count):
    to = producer()
    try:
        send_with(to, topic, start, count)
    finally:
        to.close(5)


def admin():
    client, topic = KafkaAdminClient(bootstrap_servers=BOOTSTRAP), own("admin")
    client.create_topics({topic: {"num_partitions": 3, "replication_factor": 1}})
    wait_for("the topic is listed", 10, lambda: topic in client.list_topics())
    partitions = len(client.describe_topics([topic])[0]["partitions"])
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "123456789"})])

    def config():
        described = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return next(iter(described.values()))[topic].get("retention.ms", {}).get("value")

    # A broker learns of it a moment after the controller.
    config = steps.settled(config, "123456789")
    client.delete_topics([topic])
    wait_for("the topic is gone", 10, lambda: topic not in client.list_topics())
    client.close()
    return {"listed": True, "partitions": partitions, "config": config, "deleted": True}


def produce():
    send(own("produce"), 0, 400)
    return {"sent": 400}


def subscribe(source, topics, listener=None):
    # One that joins before it knows its topics may get no partitions, and never ask again (with brokers, too).
    for topic in topics:
        source.partitions_for_topic(topic)
    source.subscribe(topics, listener=listener)


class Member(steps.Worker, ConsumerRebalanceListener):
    def __init__(self):
        super().__init__()
        self.records, self.assigned = [], 0

    def on_partitions_revoked(self, revoked):
        self.assigned = 0

    def on_partitions_assigned(self, assigned):
        self.assigned = len(assigned)

    def work(self):
        source = consumer(own("group"))
        subscribe(source, [own("group")], self)
        patience = FIRST_POLL
        while not self.stopping:
            polled = source.poll(patience)
            patience = 100
            for records in polled.values():
                self.records.extend([r.partition, r.offset, r.value.decode()] for r in records)
            if polled:
                source.commit()
        source.close()


class Reader(steps.Reader):
    def work(self):
        source = consumer(self.group, max_partition_fetch_bytes=self.fetch_bytes, isolation_level=self.isolation)
        where = [TopicPartition(topic, 0) for topic in self.topics]
        if self.group:
            subscribe(source, self.topics)
        else:
            source.assign(where)
            source.seek_to_beginning()
        patience = FIRST_POLL
        while not self.stopping:
            for partition, records in source.poll(patience).items():
                self.records[partition.topic].extend([r.offset, r.value.decode()] for r in records)
            patience = 200
        self.positions = {p.topic: source.position(p) for p in where}
        if self.group:
            source.commit()
        source.close()


def transactions():
    topic = own("transactions")
    to = producer(transactional_id=topic)
    to.init_transactions()
    for i in range(3):
        to.begin_transaction()
        send_with(to, topic, i * 20, 20)
        to.abort_transaction() if i == 1 else to.commit_transaction()
    to.close(5)
    source = consumer(None, isolation_level="read_committed")
    source.assign([TopicPartition(topic, 0)])
    source.seek_to_beginning()
    values, end = [], time.monotonic() + 15
    while time.monotonic() < end:
        # What comes after the last one that is expected would be wrong, so there is a moment for it.
        polled = source.poll(200 if len(values) < 40 else 600)
        values.extend(r.value.decode() for records in polled.values() for r in records)
        if not polled and len(values) >= 40:
            break
    source.close()
    return {"values": values}


def refused():
    topic, said = next(iter(steps.mirrors())), {}

    def attempt(what, action, well="accepted"):
        try:
            action()
            said[what] = well
        except KafkaError as error:
            said[what] = "%s: %s" % (type(error).__name__, error)

    attempt("write", lambda: send(topic, 0, 1))
    to = producer(transactional_id=own("refused"))
    to.init_transactions()
    to.begin_transaction()
    attempt("transaction", lambda: send_with(to, topic, 0, 1))
    attempt("abort", to.abort_transaction, "ok")
    to.close(5)
    return said


steps.say({"version": kafka.__version__})
steps.run({
    "admin": admin, "produce": produce, "transactions": transactions, "refused": refused,
    "group": lambda: steps.group(Member, send), "read": lambda: steps.read(Reader),
})
