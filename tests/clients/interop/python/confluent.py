"""The client matrix with confluent-kafka, which is librdkafka."""
import time

import confluent_kafka
import steps
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from steps import BOOTSTRAP, own, wait_for


def producer(**more):
    config = {"bootstrap.servers": BOOTSTRAP, "acks": "all", "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 20000}
    config.update(more)
    return Producer(config)


def consumer(group, **more):
    config = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": group or "unused",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 500,
    }
    if steps.ARGS.get("protocol") == "consumer":
        config["group.protocol"] = "consumer"
    else:
        config.update({"session.timeout.ms": 10000, "heartbeat.interval.ms": 300})
    config.update(more)
    return Consumer(config)


def send_with(to, topic, start, count):
    failed = []
    for i in range(start, start + count):
        to.produce(
            topic, key="k%d" % i, value="v%d" % i, headers=[("n", str(i))],
            on_delivery=lambda error, _message: failed.append(error) if error else None,
        )
    left = to.flush(25)
    if failed:
        raise KafkaException(failed[0])
    if left:
        raise RuntimeError("%d records were not answered" % left)


def send(topic, start, count):
    send_with(producer(), topic, start, count)


def admin():
    client, topic = AdminClient({"bootstrap.servers": BOOTSTRAP}), own("admin")
    client.create_topics([NewTopic(topic, 3, 1)])[topic].result(15)
    wait_for("the topic is listed", 10, lambda: topic in client.list_topics(timeout=10).topics)
    partitions = len(client.list_topics(topic, timeout=10).topics[topic].partitions)
    resource = ConfigResource("topic", topic)
    client.alter_configs([ConfigResource("topic", topic, set_config={"retention.ms": "123456789"})])[resource].result(15)
    # A broker learns of it a moment after the controller.
    config = steps.settled(lambda: client.describe_configs([resource])[resource].result(15)["retention.ms"].value, "123456789")
    client.delete_topics([topic])[topic].result(15)
    wait_for("the topic is gone", 10, lambda: topic not in client.list_topics(timeout=10).topics)
    return {"listed": True, "partitions": partitions, "config": config, "deleted": True}


def produce():
    send(own("produce"), 0, 400)
    return {"sent": 400}


class Member(steps.Worker):
    def __init__(self):
        super().__init__()
        self.records, self.assigned = [], 0

    def work(self):
        source = consumer(own("group"))

        source.subscribe([own("group")])
        while not self.stopping:
            messages = source.consume(100, 0.1)
            self.assigned = len(source.assignment())
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                self.records.append([message.partition(), message.offset(), message.value().decode()])
            if messages:
                source.commit(asynchronous=False)
        source.close()


class Reader(steps.Reader):
    def work(self):
        source = consumer(self.group, **{"max.partition.fetch.bytes": self.fetch_bytes, "isolation.level": self.isolation})
        where = [TopicPartition(topic, 0) for topic in self.topics]
        if self.group:
            source.subscribe(self.topics)
        else:
            source.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in self.topics])
        while not self.stopping:
            for message in source.consume(500, 0.2):
                if message.error():
                    raise KafkaException(message.error())
                self.records[message.topic()].append([message.offset(), message.value().decode()])
        self.positions = {p.topic: p.offset for p in source.position(where)}
        if self.group:
            source.commit(asynchronous=False)
        source.close()


def transactions():
    topic = own("transactions")
    to = producer(**{"transactional.id": topic})
    to.init_transactions(20)
    for i in range(3):
        to.begin_transaction()
        send_with(to, topic, i * 20, 20)
        to.abort_transaction(20) if i == 1 else to.commit_transaction(20)
    source = consumer(None, **{"isolation.level": "read_committed"})
    source.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    values, end = [], time.monotonic() + 15
    while time.monotonic() < end:
        # What comes after the last one that is expected would be wrong, so there is a moment for it.
        message = source.poll(0.2 if len(values) < 40 else 0.6)
        if message is not None and not message.error():
            values.append(message.value().decode())
        elif len(values) >= 40:
            break
    source.close()
    return {"values": values}


def refused():
    topic, said = next(iter(steps.mirrors())), {}

    def attempt(what, action, well="accepted"):
        try:
            action()
            said[what] = well
        except KafkaException as error:
            said[what] = "%s: %s" % (error.args[0].name(), error.args[0].str())

    attempt("write", lambda: send(topic, 0, 1))
    to = producer(**{"transactional.id": own("refused")})
    to.init_transactions(20)
    to.begin_transaction()
    attempt("transaction", lambda: send_with(to, topic, 0, 1))
    attempt("abort", lambda: to.abort_transaction(20), "ok")
    return said


steps.say({"version": "%s (librdkafka %s)" % (confluent_kafka.__version__, confluent_kafka.libversion()[0])})
steps.run({
    "admin": admin, "produce": produce, "transactions": transactions, "refused": refused,
    "group": lambda: steps.group(Member, send), "read": lambda: steps.read(Reader),
})
