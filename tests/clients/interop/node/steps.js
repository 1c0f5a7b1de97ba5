// What the Node programs of the client matrix have in common: arguments, JSON lines, the group step and the read step.
// What each step does and prints stands in tests/src/interop/mod.rs.
'use strict';

const args = Object.fromEntries(process.argv.slice(2).map((arg) => {
  const at = arg.indexOf('=');
  return [arg.slice(0, at), arg.slice(at + 1)];
}));
const PART = 120;

const own = (suffix) => `${args.name}-${suffix}`;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const mirrors = () => args.mirrors.split(',').map((pair) => ({ topic: pair.split(':')[0], count: Number(pair.split(':')[1]) }));

async function waitFor(what, seconds, done) {
  const end = Date.now() + seconds * 1000;
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(20);
  }
}

// Runs the steps that were asked for; one that is missing from `steps` is not available.
async function run(version, steps) {
  say({ version });
  for (const name of args.steps.split(',')) {
    let line;
    try {
      line = name in steps ? await steps[name]() : { na: true };
    } catch (error) {
      process.stderr.write(`${error.stack}\n`);
      line = { error: `${error.name}: ${error.message}` };
    }
    say({ step: name, ...line });
  }
  // A client's own timers must not keep the program.
  process.stdout.write('', () => process.exit(0));
}

// The records `k0` → `v0` and so on.
const records = (from, count) => Array.from({ length: count }, (_, i) => {
  const n = from + i;
  return { key: `k${n}`, value: `v${n}`, headers: { n: `${n}` } };
});

// `member(records)` starts a member that reads NAME-group into `records`; it has `assigned()` and `stop()`.
async function group(member, send) {
  const topic = own('group');
  const read = { first: [], second: [] };
  const both = () => read.first.length + read.second.length;
  const members = [];
  try {
    await send(topic, 0, PART);
    members.push(await member(read.first));
    await waitFor('the first part is read', 20, () => both() >= PART);
    members.push(await member(read.second));
    await waitFor('both have partitions', 20, () => members.every((one) => one.assigned() === 2));
    await send(topic, PART, PART);
    await waitFor('the second part is read', 20, () => both() >= 2 * PART);
    await members.pop().stop();
    await waitFor('the first has all partitions', 20, () => members[0].assigned() === 4);
    await send(topic, 2 * PART, PART);
    await waitFor('the third part is read', 20, () => both() >= 3 * PART);
    await sleep(300);
  } finally {
    for (const one of members) await one.stop();
  }
  return read;
}

// `reader({variant, topics, group, bytes, committed, take})` starts a variant; `stop()` gives its positions.
async function read(reader) {
  const topics = mirrors().map((mirror) => mirror.topic);
  const expected = mirrors().reduce((sum, mirror) => sum + mirror.count, 0);
  const variants = {};
  const running = [];
  for (const variant of ['assign', 'assign-small', 'group', 'group-small']) {
    const inGroup = variant.startsWith('group');
    // A client without assign has a group of its own for it.
    const said = { records: Object.fromEntries(topics.map((topic) => [topic, []])), positions: {}, count: 0 };
    variants[variant] = said;
    const take = (topic, offset, value) => {
      said.records[topic].push([Number(offset), value === null ? '' : value.toString()]);
      said.count += 1;
    };
    const options = { variant, topics, group: own(`read-${variant}`), bytes: variant.endsWith('small') ? 1024 : 1048576, committed: !inGroup, take };
    running.push(reader(options).then((one) => ({ said, one }), (error) => {
      said.error = `${error.name}: ${error.message}`;
      return null;
    }));
  }
  const started = (await Promise.all(running)).filter((one) => one !== null);
  const end = Date.now() + 25000;
  while (Date.now() < end && Object.values(variants).some((one) => one.count < expected && !one.error)) await sleep(50);
  // Whoever has to step over filler at the end of a log shall have done so.
  await sleep(1000);
  say({ tail: 'begin' });
  await sleep(Number(args.tail));
  say({ tail: 'end' });
  for (const { said, one } of started) {
    try {
      said.positions = (await one.stop()) || {};
    } catch (error) {
      said.error = `${error.name}: ${error.message}`;
    }
  }
  return { variants };
}

const attempt = async (action, well) => {
  try {
    await action();
    return well;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};

module.exports = { args, own, sleep, mirrors, waitFor, run, records, group, read, attempt };
