//! Finds out when a mirror topic accepts writes: sends a record to every partition through the gateway, until
//! each is accepted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use linkgate_tests::client::{Connection, text};
use linkgate_tests::machine::wait::LONG;
use linkgate_tests::produce::raw_batch::{batch, record};
use linkgate_tests::stage::linkgate::Linkgate;

/// Runs `kafka-mirrors` with `action` (`--promote`, `--failover`) on a mirror topic. Returns the time from
/// the start of that process until each partition has accepted a record. `pause` is the time between two
/// attempts, and so the precision of the result.
///
/// The destination must have one broker: the broker at the bootstrap address must lead every partition.
///
/// # Panics
/// Panics if the topic already accepts writes, the command fails, or the topic does not open in time.
#[must_use]
pub fn until_writable(
    linkgate: &Linkgate,
    action: &str,
    topic: &str,
    partitions: i32,
    pause: Duration,
) -> Duration {
    let mut probe = Probe::open(&linkgate.bootstrap(), topic, partitions);
    // This attempt also makes the gateway connect to the broker, as for a producer that has tried for a
    // while.
    probe.attempt();
    let still_closed = probe.closed.len();
    assert_eq!(still_closed, partitions as usize, "{topic} takes writes before {action}");
    std::thread::scope(|scope| {
        let begin = Instant::now();
        let command = scope.spawn(|| linkgate.mirrors(&[action, "--topics", topic]));
        while !probe.closed.is_empty() {
            std::thread::sleep(pause);
            probe.attempt();
            let open = begin.elapsed();
            assert!(open < LONG, "{} partitions of {topic} still take no writes", probe.closed.len());
        }
        let took = begin.elapsed();
        let _ = command.join().expect("the command is run").success(&format!("kafka-mirrors {action}"));
        took
    })
}

/// An open connection, and the partitions that have not accepted a record yet.
struct Probe {
    connection: Connection,
    topic: TopicName,
    batch: Bytes,
    closed: Vec<i32>,
}

impl Probe {
    fn open(address: &str, topic: &str, partitions: i32) -> Probe {
        let connection = Connection::open(address).unwrap_or_else(|e| panic!("{e}"));
        let batch = batch(vec![record(7, Some(b"key"), Some(b"first write"))]);
        Probe { connection, topic: TopicName(text(topic)), batch, closed: (0..partitions).collect() }
    }

    /// Sends one request with a batch for each partition that has not accepted one.
    fn attempt(&mut self) {
        let partitions = self.closed.iter().map(|index| {
            PartitionProduceData::default().with_index(*index).with_records(Some(self.batch.clone()))
        });
        let topic = TopicProduceData::default()
            .with_name(self.topic.clone())
            .with_partition_data(partitions.collect());
        let request =
            ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
        let answer = self.connection.ask(9, &request).unwrap_or_else(|e| panic!("{e}"));
        let answered = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        // A partition that is missing in the answer has accepted nothing.
        let taken: BTreeSet<i32> =
            answered.filter(|partition| partition.error_code == 0).map(|partition| partition.index).collect();
        self.closed.retain(|index| !taken.contains(index));
    }
}
