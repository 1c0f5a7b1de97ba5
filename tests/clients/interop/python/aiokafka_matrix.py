"""The client matrix with aiokafka: each producer and consumer in an event loop of its own."""
import asyncio
import time

import aiokafka
import steps
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from steps import BOOTSTRAP, own


def consumer(group, **more):
    config = {
        "bootstrap_servers": BOOTSTRAP, "group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False,
        "fetch_max_wait_ms": 500, "session_timeout_ms": 10000, "heartbeat_interval_ms": 300,
    }
    config.update(more)
    return AIOKafkaConsumer(**config)


def producer(**more):
    config = {"bootstrap_servers": BOOTSTRAP, "acks": "all", "enable_idempotence": True, "linger_ms": 5}
    config.update(more)
    return AIOKafkaProducer(**config)


async def send_with(to, topic, start, count):
    sent = [
        await to.send(topic, key=b"k%d" % i, value=b"v%d" % i, headers=[("n", str(i).encode())])
        for i in range(start, start + count)
    ]
    await asyncio.wait_for(asyncio.gather(*sent), 25)


async def send_async(topic, start, count):
    to = producer()
    await to.start()
    try:
        await send_with(to, topic, start, count)
    finally:
        await to.stop()


def send(topic, start, count):
    asyncio.run(send_async(topic, start, count))


async def admin_async():
    client, topic = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP), own("admin")
    await client.start()

    async def listed(wanted):
        end = time.monotonic() + 10
        while (topic in await client.list_topics()) != wanted:
            if time.monotonic() > end:
                raise RuntimeError("listed is not %s" % wanted)
            await asyncio.sleep(0.02)

    await client.create_topics([NewTopic(topic, 3, 1)])
    await listed(True)
    partitions = len((await client.describe_topics([topic]))[0]["partitions"])
    await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "123456789"})])
    end, config = time.monotonic() + 10, None
    # A broker learns of it a moment after the controller.
    while config != "123456789" and time.monotonic() < end:
        described = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        # (error code, message, type, name, configs), a config beginning with name and value
        config = {entry[0]: entry[1] for answer in described for entry in answer.resources[0][4]}["retention.ms"]
    await client.delete_topics([topic])
    await listed(False)
    await client.close()
    return {"listed": True, "partitions": partitions, "config": config, "deleted": True}


def produce():
    send(own("produce"), 0, 400)
    return {"sent": 400}


class Member(steps.Worker, ConsumerRebalanceListener):
    def __init__(self):
        super().__init__()
        self.records, self.assigned = [], 0

    def on_partitions_revoked(self, revoked):
        self.assigned = 0

    def on_partitions_assigned(self, assigned):
        self.assigned = len(assigned)

    def work(self):
        asyncio.run(self.consume())

    async def consume(self):
        source = consumer(own("group"))
        source.subscribe([own("group")], listener=self)
        await source.start()
        while not self.stopping:
            polled = await source.getmany(timeout_ms=100)
            for records in polled.values():
                self.records.extend([r.partition, r.offset, r.value.decode()] for r in records)
            if polled:
                await source.commit()
        await source.stop()


class Reader(steps.Reader):
    def work(self):
        asyncio.run(self.consume())

    async def consume(self):
        source = consumer(self.group, max_partition_fetch_bytes=self.fetch_bytes, isolation_level=self.isolation)
        where = [TopicPartition(topic, 0) for topic in self.topics]
        if self.group:
            source.subscribe(self.topics)
        else:
            source.assign(where)
        await source.start()
        if not self.group:
            await source.seek_to_beginning()
        while not self.stopping:
            for partition, records in (await source.getmany(timeout_ms=200)).items():
                self.records[partition.topic].extend([r.offset, r.value.decode()] for r in records)
        self.positions = {p.topic: await source.position(p) for p in where}
        if self.group:
            await source.commit()
        await source.stop()


async def transactions_async():
    topic = own("transactions")
    to = producer(transactional_id=topic)
    await to.start()
    for i in range(3):
        await to.begin_transaction()
        await send_with(to, topic, i * 20, 20)
        if i == 1:
            await to.abort_transaction()
        else:
            await to.commit_transaction()
    await to.stop()
    source = consumer(None, isolation_level="read_committed")
    source.assign([TopicPartition(topic, 0)])
    await source.start()
    await source.seek_to_beginning()
    values, end = [], time.monotonic() + 15
    while time.monotonic() < end:
        # What comes after the last one that is expected would be wrong, so there is a moment for it.
        polled = await source.getmany(timeout_ms=200 if len(values) < 40 else 600)
        values.extend(r.value.decode() for records in polled.values() for r in records)
        if not polled and len(values) >= 40:
            break
    await source.stop()
    return {"values": values}


async def refused_async():
    topic, said = next(iter(steps.mirrors())), {}

    async def attempt(what, action, well="accepted"):
        try:
            await asyncio.wait_for(action, 20)
            said[what] = well
        # An assertion among them: it takes any refusal of a partition for the end of the producer.
        except (KafkaError, asyncio.TimeoutError, AssertionError) as error:
            said[what] = "%s: %s" % (type(error).__name__, error)

    await attempt("write", send_async(topic, 0, 1))
    to = producer(transactional_id=own("refused"))
    await to.start()
    await to.begin_transaction()
    await attempt("transaction", send_with(to, topic, 0, 1))
    await attempt("abort", to.abort_transaction(), "ok")
    await to.stop()
    return said


steps.say({"version": aiokafka.__version__})
steps.run({
    "admin": lambda: asyncio.run(admin_async()), "produce": produce,
    "transactions": lambda: asyncio.run(transactions_async()), "refused": lambda: asyncio.run(refused_async()),
    "group": lambda: steps.group(Member, send), "read": lambda: steps.read(Reader),
})
