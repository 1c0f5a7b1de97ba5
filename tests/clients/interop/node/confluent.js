// The client matrix with @confluentinc/kafka-javascript, through the part of it that is like kafkajs. It reads in groups only.
'use strict';

const { Kafka, logLevel } = require('@confluentinc/kafka-javascript').KafkaJS;
const steps = require('./steps.js');
const { own } = steps;

const kafka = new Kafka({ kafkaJS: { clientId: 'matrix', brokers: [steps.args.bootstrap], logLevel: logLevel.ERROR } });

async function withProducer(options, action) {
  const producer = kafka.producer({ kafkaJS: { idempotent: true, acks: -1, ...options }, 'linger.ms': 5, 'message.timeout.ms': 20000 });
  await producer.connect();
  try {
    return await action(producer);
  } finally {
    await producer.disconnect();
  }
}

const send = (topic, from, count) => withProducer({}, (producer) => producer.send({ topic, messages: steps.records(from, count) }));

async function admin() {
  const client = kafka.admin();
  const topic = own('admin');
  await client.connect();
  const listed = async () => (await client.listTopics()).includes(topic);
  await client.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] });
  await steps.waitFor('the topic is listed', 10, listed);
  const topics = await client.fetchTopicMetadata({ topics: [topic] });
  const partitions = (topics.topics || topics)[0].partitions.length;
  await client.deleteTopics({ topics: [topic] });
  await steps.waitFor('the topic is gone', 10, async () => !(await listed()));
  await client.disconnect();
  return { listed: true, partitions, config: null, deleted: true };
}

function consumer(group, options, more) {
  return kafka.consumer({
    kafkaJS: { groupId: group, fromBeginning: true, autoCommit: false, sessionTimeout: 10000, heartbeatInterval: 300, maxWaitTimeInMs: 500, ...options },
    ...more,
  });
}

async function member(records) {
  const topic = own('group');
  const from = consumer(topic, {}, {});
  await from.connect();
  await from.subscribe({ topics: [topic] });
  await from.run({
    eachMessage: async ({ partition, message }) => {
      records.push([partition, Number(message.offset), message.value.toString()]);
      await from.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
    },
  });
  return { assigned: () => from.assignment().length, stop: () => from.disconnect() };
}

async function reader({ topics, group, bytes, committed, take }) {
  const from = consumer(group, { readUncommitted: !committed, maxBytesPerPartition: bytes, autoCommit: true, autoCommitInterval: 500 }, {});
  await from.connect();
  await from.subscribe({ topics });
  await from.run({ eachMessage: async ({ topic, message }) => take(topic, message.offset, message.value) });
  return { stop: () => from.disconnect() };
}

async function transactions() {
  const topic = own('transactions');
  await withProducer({ transactionalId: topic }, async (producer) => {
    for (let i = 0; i < 3; i += 1) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: steps.records(i * 20, 20) });
      await (i === 1 ? transaction.abort() : transaction.commit());
    }
  });
  const values = [];
  const from = await reader({
    topics: [topic], group: topic, bytes: 1048576, committed: true, take: (_topic, _offset, value) => values.push(value.toString()),
  });
  await steps.waitFor('all values are read', 15, () => values.length >= 40);
  // What comes after the last one that is expected would be wrong, so there is a moment for it.
  await steps.sleep(800);
  await from.stop();
  return { values };
}

async function refused() {
  const { topic } = steps.mirrors()[0];
  const write = await steps.attempt(() => send(topic, 0, 1), 'accepted');
  return withProducer({ transactionalId: own('refused') }, async (producer) => {
    const open = await producer.transaction();
    const transaction = await steps.attempt(() => open.send({ topic, messages: steps.records(0, 1) }), 'accepted');
    const abort = await steps.attempt(() => open.abort(), 'ok');
    return { write, transaction, abort };
  });
}

const { version } = require('@confluentinc/kafka-javascript/package.json');
const { librdkafkaVersion } = require('@confluentinc/kafka-javascript');
steps.run(`${version} (librdkafka ${librdkafkaVersion})`, {
  admin, transactions, refused,
  produce: async () => {
    await send(own('produce'), 0, 400);
    return { sent: 400 };
  },
  group: () => steps.group(member, send),
  read: () => steps.read(reader),
});
