// The client matrix with kafkajs. It has no assign: the variants with that name have a group as well.
'use strict';

const { Kafka, logLevel, ConfigResourceTypes } = require('kafkajs');
const steps = require('./steps.js');
const { own } = steps;

const kafka = new Kafka({
  clientId: 'matrix', brokers: [steps.args.bootstrap], logLevel: logLevel.ERROR, retry: { retries: 3 },
});

async function withProducer(options, action) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, ...options });
  await producer.connect();
  try {
    return await action(producer);
  } finally {
    await producer.disconnect();
  }
}

const send = (topic, from, count) =>
  withProducer({}, (producer) => producer.send({ topic, acks: -1, messages: steps.records(from, count) }));

async function admin() {
  const client = kafka.admin();
  const topic = own('admin');
  await client.connect();
  const listed = async () => (await client.listTopics()).includes(topic);
  await client.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }], waitForLeaders: true });
  await steps.waitFor('the topic is listed', 10, listed);
  const { topics } = await client.fetchTopicMetadata({ topics: [topic] });
  const configEntries = [{ name: 'retention.ms', value: '123456789' }];
  await client.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] });
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }];
  let config = null;
  // A broker learns of it a moment after the controller.
  await steps.waitFor('the config is set', 10, async () => {
    const described = await client.describeConfigs({ includeSynonyms: false, resources });
    config = described.resources[0].configEntries[0].configValue;
    return config === '123456789';
  });
  await client.deleteTopics({ topics: [topic] });
  await steps.waitFor('the topic is gone', 10, async () => !(await listed()));
  await client.disconnect();
  return { listed: true, partitions: topics[0].partitions.length, config, deleted: true };
}

const timing = { sessionTimeout: 10000, heartbeatInterval: 300, maxWaitTimeInMs: 500 };

async function member(records) {
  const topic = own('group');
  const consumer = kafka.consumer({ groupId: topic, ...timing });
  let assigned = 0;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { assigned = (payload.memberAssignment[topic] || []).length; });
  consumer.on(consumer.events.REBALANCING, () => { assigned = 0; });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      records.push([partition, Number(message.offset), message.value.toString()]);
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
    },
  });
  return { assigned: () => assigned, stop: () => consumer.disconnect() };
}

async function reader({ topics, group, bytes, committed, take }) {
  const consumer = kafka.consumer({ groupId: group, readUncommitted: !committed, maxBytesPerPartition: bytes, ...timing });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({
    autoCommit: true,
    autoCommitInterval: 500,
    eachMessage: async ({ topic, message }) => take(topic, message.offset, message.value),
  });
  return {
    stop: async () => {
      await consumer.stop();
      await consumer.disconnect();
    },
  };
}

async function transactions() {
  const topic = own('transactions');
  await withProducer({ transactionalId: topic }, async (producer) => {
    for (let i = 0; i < 3; i += 1) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, acks: -1, messages: steps.records(i * 20, 20) });
      await (i === 1 ? transaction.abort() : transaction.commit());
    }
  });
  const values = [];
  const consumer = await reader({
    topics: [topic], group: own('transactions'), bytes: 1048576, committed: true, take: (_topic, _offset, value) => values.push(value.toString()),
  });
  await steps.waitFor('all values are read', 15, () => values.length >= 40);
  // What comes after the last one that is expected would be wrong, so there is a moment for it.
  await steps.sleep(800);
  await consumer.stop();
  return { values };
}

async function refused() {
  const { topic } = steps.mirrors()[0];
  const messages = steps.records(0, 1);
  const write = await steps.attempt(() => send(topic, 0, 1), 'accepted');
  return withProducer({ transactionalId: own('refused') }, async (producer) => {
    const open = await producer.transaction();
    const transaction = await steps.attempt(() => open.send({ topic, acks: -1, messages }), 'accepted');
    const abort = await steps.attempt(() => open.abort(), 'ok');
    return { write, transaction, abort };
  });
}

steps.run(require('kafkajs/package.json').version, {
  admin, transactions, refused,
  produce: async () => {
    await send(own('produce'), 0, 400);
    return { sent: 400 };
  },
  group: () => steps.group(member, send),
  read: () => steps.read(reader),
});
