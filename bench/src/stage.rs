//! Brokers close to production, as far as one small machine allows: full JIT compilation, G1, a heap of 1
//! GiB.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use linkgate_tests::client::admin::LATEST;
use linkgate_tests::client::log_ends::LogEnds;
use linkgate_tests::client::{Connection, Error, text};
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait::{LONG, until_ok};
use linkgate_tests::stage::pair::Pair;

use crate::copying::Processes;
use crate::data::Data;
use crate::pump;

/// Broker configs of every measurement. Deleted logs are removed at once: the default of one minute would
/// charge the removal to the next measurement.
pub const BROKER: [(&str, &str); 4] = [
    ("num.io.threads", "8"),
    ("default.replication.factor", "1"),
    ("log.segment.delete.delay.ms", "100"),
    ("log.retention.check.interval.ms", "10000"),
];

/// Maximum number of partitions per CreateTopics request: a controller refuses ten thousand at once.
const PARTITIONS_AT_ONCE: usize = 1_000;
/// Timeout for the creation of thousands of partitions on a busy machine.
const MANY: Duration = Duration::from_secs(300);
/// Error code TOPIC_ALREADY_EXISTS.
const TOPIC_EXISTS: i16 = 36;

/// Starts one broker on each side, and Linkgate in front of the destination.
#[must_use]
pub fn pair(name: &str) -> Pair {
    pair_of(name, 1, 1)
}

/// Starts the given number of brokers on each side, and Linkgate in front of the destination.
#[must_use]
pub fn pair_of(name: &str, source: usize, destination: usize) -> Pair {
    let (source, destination) = ((Version::V4_3_1, source), (Version::V4_3_1, destination));
    Pair::launch(name, source, destination, &BROKER)
}

/// Creates a link for one repetition. Its mirror topics are named `NAME-TOPIC`.
pub fn link(pair: &Pair, name: &str) {
    // `--config` splits at commas, and one bootstrap server is enough.
    let servers = pair.source.bootstrap();
    let server = servers.split(',').next().unwrap_or_default();
    let config = format!("bootstrap.servers={server},cluster.link.prefix={name}-");
    let made = pair.linkgate.cluster_links(&["--create", "--link", name, "--config", &config]);
    let _ = made.success("kafka-cluster-links --create");
}

/// Creates the mirror topic of `topic` on the link `name`. Returns the name of the mirror topic.
#[must_use]
pub fn mirror(pair: &Pair, name: &str, topic: &str) -> String {
    let mirror = format!("{name}-{topic}");
    let made = pair.linkgate.mirrors(&[
        "--create",
        "--mirror-topic",
        &mirror,
        "--source-topic",
        topic,
        "--link",
        name,
    ]);
    let _ = made.success("kafka-mirrors --create");
    mirror
}

/// Creates `topic` and writes `bytes` bytes of keys and values, evenly over its partitions. Returns the
/// number of records per partition.
pub fn fill(cluster: &Cluster, topic: &str, partitions: i32, data: &Data, bytes: u64) -> i64 {
    create(cluster, topic, partitions, &[]);
    write(cluster, topic, partitions, data, bytes)
}

/// Creates a topic and waits until its partition leaders answer.
pub fn create(cluster: &Cluster, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
    cluster.admin().create_topic(topic, partitions, configs);
    let _ = cluster.admin().offsets(topic, LATEST);
}

/// Creates many topics of `partitions` partitions each, several per request. Waits until all partition
/// leaders answer.
pub fn create_many(cluster: &Cluster, topics: &[String], partitions: i32) {
    let bootstrap = cluster.bootstrap();
    // A broker that is not the controller forwards the request.
    let address = bootstrap.split(',').next().unwrap_or_default();
    let each = PARTITIONS_AT_ONCE / usize::try_from(partitions).expect("a count");
    for some in topics.chunks(each.max(1)) {
        let topics = some.iter().map(|name| {
            CreatableTopic::default()
                .with_name(TopicName(text(name)))
                .with_num_partitions(partitions)
                .with_replication_factor(-1)
        });
        let request = CreateTopicsRequest::default().with_topics(topics.collect()).with_timeout_ms(30_000);
        until_ok(&format!("{} topics are created", some.len()), LONG, || {
            let answer = Connection::open(address)?.ask(5, &request)?;
            // TOPIC_ALREADY_EXISTS means that an earlier attempt succeeded and its answer was lost.
            let refused = answer.topics.iter().find(|topic| !matches!(topic.error_code, 0 | TOPIC_EXISTS));
            refused.map_or(Ok(()), |topic| {
                Error::check(&format!("create {}", topic.name.0.as_str()), topic.error_code)
            })
        });
    }
    let mut ends = LogEnds::of(&bootstrap, topics);
    let _ = until_ok("every partition of every topic has a leader", MANY, || {
        // Pause, because the question about ten thousand partitions costs the brokers CPU, too.
        ends.high_watermarks().inspect_err(|_| std::thread::sleep(Duration::from_secs(2)))
    });
}

/// Writes like [`fill`], into an existing topic; at least one batch per partition. Writes to one leader after
/// the other, each over its own connection.
pub fn write(cluster: &Cluster, topic: &str, partitions: i32, data: &Data, bytes: u64) -> i64 {
    let rounds = data.batches_for(bytes / u64::try_from(partitions).expect("a count")).max(1);
    let leaders = cluster.admin().leaders(topic);
    let mut addresses: Vec<&str> = leaders.iter().map(|l| l.address.as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    for address in addresses {
        let led: Vec<i32> = leaders.iter().filter(|l| l.address == address).map(|l| l.partition).collect();
        let frames = frames(topic, &led, data);
        pump::produce(address, 5, pump::cycled(&frames, rounds), |_, _| ());
    }
    i64::try_from(rounds * data.records).expect("a count")
}

/// Returns distinct Produce requests with one batch per partition.
#[must_use]
pub fn frames(topic: &str, partitions: &[i32], data: &Data) -> Vec<Vec<u8>> {
    let distinct = (data.batches.len() / partitions.len()).max(1);
    let mut batches = data.batches.iter().cycle();
    (0..distinct)
        .map(|_| {
            let all: Vec<_> =
                partitions.iter().map(|p| (*p, batches.next().expect("it is endless").clone())).collect();
            pump::produce_frame(topic, &all, 1)
        })
        .collect()
}

/// Deletes a mirror topic and its link.
pub fn unlink(pair: &Pair, name: &str, mirror: &str) {
    forget(pair, mirror);
    let gone = pair.linkgate.cluster_links(&["--delete", "--link", name, "--force"]);
    let _ = gone.success("kafka-cluster-links --delete");
}

/// Deletes a topic on the destination, and gives the system time to free its page cache.
pub fn forget(pair: &Pair, topic: &str) {
    pair.destination.admin().delete_topic(topic);
    std::thread::sleep(Duration::from_secs(3));
}

/// Returns the process `copier` and the brokers of both sides.
#[must_use]
pub fn processes(pair: &Pair, copier: u32) -> Processes {
    Processes { copier, brokers: pair.source.pids().into_iter().chain(pair.destination.pids()).collect() }
}

/// Returns the daemon and the brokers of both sides.
///
/// # Panics
/// Panics if the daemon does not run.
#[must_use]
pub fn daemon(pair: &Pair) -> Processes {
    processes(pair, pair.linkgate.pid().expect("linkgate runs"))
}
