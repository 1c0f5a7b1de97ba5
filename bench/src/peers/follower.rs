//! Kafka's own follower: it copies a partition that is reassigned to a second broker.

use std::time::{Duration, Instant};

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateTopicsRequest, DescribeLogDirsRequest, TopicName,
};
use linkgate_tests::client::{Connection, Error, text};
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait::{LONG, until, until_ok};
use linkgate_tests::machine::workdir::WorkDir;

use crate::copying::Copied;
use crate::data::Data;
use crate::stage::{BROKER, write};
use crate::usage;

/// Copies `bytes` from broker 1 to broker 2, once per repetition.
///
/// # Panics
/// Panics if a broker refuses a request.
#[must_use]
pub fn copy(data: &Data, partitions: i32, bytes: u64, repetitions: usize) -> Vec<Copied> {
    let mut extra = BROKER.to_vec();
    extra.extend([("num.replica.fetchers", "2"), ("replica.fetch.max.bytes", "10485760")]);
    let mut cluster = Cluster::launch(WorkDir::new("follower"), Version::V4_3_1, 2, &extra);
    cluster.wait_ready();
    // The first round warms up the brokers and is not counted.
    let mut copied =
        (0..=repetitions).map(|n| once(&mut cluster, &format!("copy-{n}"), data, partitions, bytes));
    let _ = copied.next();
    copied.collect()
}

fn once(cluster: &mut Cluster, topic: &str, data: &Data, partitions: i32, bytes: u64) -> Copied {
    create_on_first(cluster, topic, partitions);
    let records = write(cluster, topic, partitions, data, bytes);
    let sizes = |id: i32, cluster: &Cluster| {
        let address = cluster.admin().brokers().expect("brokers")[&id].clone();
        move || log_bytes(&address, topic)
    };
    let whole = sizes(1, cluster)();
    let second = sizes(2, cluster);
    let pid = cluster.node(2).pid().expect("broker 2 runs");
    until_ok("the partitions are reassigned", LONG, || reassign(cluster, topic, partitions));
    let (begin, already) = until("the follower has a fifth", LONG, || {
        let have = second();
        (have >= whole / 5).then(|| (Instant::now(), have))
    });
    let first = cluster.node(1).pid().expect("broker 1 runs");
    let before = (usage::cpu(&[pid]), usage::cpu(&[first]));
    until("the follower has it all", Duration::from_secs(600), || (second() >= whole).then_some(()));
    let seconds = begin.elapsed().as_secs_f64();
    let used = (usage::cpu(&[pid]) - before.0, usage::cpu(&[first]) - before.1);
    let all = records as f64 * f64::from(partitions) * data.record_bytes();
    let copied = all * (1.0 - already as f64 / whole as f64);
    cluster.admin().delete_topic(topic);
    std::thread::sleep(Duration::from_secs(3));
    Copied {
        rate: copied / 1e6 / seconds,
        cpu_per_gb: used.0.as_secs_f64() / (copied / 1e9),
        brokers_per_gb: used.1.as_secs_f64() / (copied / 1e9),
        memory: usage::peak(pid) as f64 / f64::from(1 << 20),
    }
}

fn create_on_first(cluster: &Cluster, topic: &str, partitions: i32) {
    let assignments = (0..partitions)
        .map(|p| {
            CreatableReplicaAssignment::default().with_partition_index(p).with_broker_ids(vec![BrokerId(1)])
        })
        .collect();
    let t = CreatableTopic::default()
        .with_name(TopicName(text(topic)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments);
    let request = CreateTopicsRequest::default().with_topics(vec![t]).with_timeout_ms(30_000);
    until_ok("the topic is created", LONG, || {
        let address = cluster.bootstrap().split(',').next().unwrap_or_default().to_owned();
        let answer = Connection::open(&address)?.ask(5, &request)?;
        Error::check("create topic", answer.topics.first().map_or(-1, |t| t.error_code))
    });
    let _ = cluster.admin().offsets(topic, linkgate_tests::client::admin::LATEST);
}

fn reassign(cluster: &Cluster, topic: &str, partitions: i32) -> Result<(), Error> {
    let all = (0..partitions)
        .map(|p| {
            ReassignablePartition::default()
                .with_partition_index(p)
                .with_replicas(Some(vec![BrokerId(1), BrokerId(2)]))
        })
        .collect();
    let t = ReassignableTopic::default().with_name(TopicName(text(topic))).with_partitions(all);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![t]).with_timeout_ms(30_000);
    let address = cluster.bootstrap().split(',').next().unwrap_or_default().to_owned();
    let answer = Connection::open(&address)?.ask(0, &request)?;
    Error::check("reassign", answer.error_code)
}

/// Returns the size of a topic's logs on one broker, in bytes.
fn log_bytes(address: &str, topic: &str) -> i64 {
    let answer = until_ok("the log directories are described", LONG, || {
        Connection::open(address)?.ask(2, &DescribeLogDirsRequest::default().with_topics(None))
    });
    let topics = answer.results.iter().flat_map(|dir| &dir.topics);
    let of_it = topics.filter(|t| t.name.0.as_str() == topic).flat_map(|t| &t.partitions);
    of_it.map(|p| p.partition_size).sum()
}
