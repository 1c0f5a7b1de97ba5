//! Reads every record of a partition over the wire with read_committed semantics, and compares two clusters
//! offset by offset. It is the independent judge of the suites and knows nothing of Linkgate.

pub mod digest;
pub mod records;

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};

use crate::client::admin::{Admin, EARLIEST, LATEST, Leader};
use crate::client::{Connection, Error, text};
use crate::machine::wait::LONG;
use crate::read::records::{Batch, Record, batches};

/// A partition as a read_committed client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCopy {
    /// Log start offset.
    pub log_start: i64,
    /// High watermark.
    pub high_watermark: i64,
    /// Every committed record.
    pub records: Vec<Record>,
}

/// Reads a topic: every partition from its log start to its end.
///
/// # Panics
/// Panics if that does not succeed in time, or if a batch cannot be decoded.
#[must_use]
pub fn topic(bootstrap: &str, name: &str) -> BTreeMap<i32, PartitionCopy> {
    let leaders = Admin::to(bootstrap).leaders(name);
    leaders.iter().map(|leader| (leader.partition, partition(bootstrap, name, leader.partition))).collect()
}

/// Reads one partition from its log start to its end.
///
/// # Panics
/// Panics like [`topic`].
#[must_use]
pub fn partition(bootstrap: &str, name: &str, partition: i32) -> PartitionCopy {
    partition_from(bootstrap, name, partition, None)
}

/// Reads one partition from the offset `from`, or from its log start.
///
/// # Panics
/// Panics like [`topic`].
#[must_use]
pub fn partition_from(bootstrap: &str, name: &str, partition: i32, from: Option<i64>) -> PartitionCopy {
    let mut copy = PartitionCopy { log_start: 0, high_watermark: 0, records: Vec::new() };
    let mut aborted = Aborted::default();
    walk(bootstrap, name, partition, from, 1, |step| {
        copy.log_start = step.log_start;
        copy.high_watermark = step.high_watermark;
        aborted.learn(&step.aborted);
        for batch in step.batches {
            aborted.records(&batch, &mut copy.records);
        }
    });
    // A log may begin inside a batch, and a fetch returns the whole batch.
    let log = from.unwrap_or(copy.log_start).max(copy.log_start)..copy.high_watermark;
    copy.records.retain(|r| log.contains(&r.offset));
    copy
}

/// Returns every batch of one partition as it is in the log, control batches included (read_uncommitted).
///
/// # Panics
/// Panics like [`topic`].
#[must_use]
pub fn raw(bootstrap: &str, name: &str, partition: i32) -> Vec<Batch> {
    let mut all = Vec::new();
    walk(bootstrap, name, partition, None, 0, |step| all.extend(step.batches));
    all
}

/// Returns the offset field and the message format of every batch in one fetch at `offset`, old formats
/// included.
///
/// # Panics
/// Panics if the partition cannot be fetched in time.
#[must_use]
pub fn formats(bootstrap: &str, name: &str, partition: i32, offset: i64) -> Vec<(i64, i8)> {
    let answer = crate::machine::wait::until_ok(&format!("{name}-{partition} is fetched"), LONG, || {
        let leaders = Admin::to(bootstrap).leaders(name);
        let leader = leaders.iter().find(|l| l.partition == partition);
        let leader = leader.ok_or_else(|| Error::Protocol(format!("no partition {partition}")))?;
        fetch_payload(&mut Connection::open(&leader.address)?, name, partition, offset, 0)
    });
    crate::read::records::formats(&answer.records.unwrap_or_default())
}

pub(crate) struct Step {
    log_start: i64,
    high_watermark: i64,
    aborted: Vec<(i64, i64)>,
    pub(crate) batches: Vec<Batch>,
}

/// Fetches up to the end offset that the partition has at the first answer. Waits during leader changes.
pub(crate) fn walk(
    bootstrap: &str,
    name: &str,
    partition: i32,
    mut next: Option<i64>,
    isolation: i8,
    mut each: impl FnMut(Step),
) {
    let mut admin = Admin::to(bootstrap);
    let begin = Instant::now();
    let mut connection: Option<Connection> = None;
    let mut end = None;
    loop {
        let result = (|| {
            if connection.is_none() {
                let leaders = admin.leaders(name);
                let leader = leaders.iter().find(|l| l.partition == partition);
                let leader: &Leader =
                    leader.ok_or_else(|| Error::Protocol(format!("{name} has no partition {partition}")))?;
                connection = Some(Connection::open(&leader.address)?);
            }
            let at = match next {
                Some(at) => at,
                None => admin.offset(name, partition, EARLIEST, isolation),
            };
            next = Some(at);
            let open = connection.as_mut().ok_or_else(|| Error::Protocol("no connection".into()))?;
            fetch(open, name, partition, at, isolation)
        })();
        match result {
            Ok(step) => {
                let limit = *end.get_or_insert_with(|| admin.offset(name, partition, LATEST, isolation));
                let reached = step.batches.last().map_or(next.unwrap_or(0), Batch::next_offset);
                let moved = !step.batches.is_empty();
                next = Some(reached.max(next.unwrap_or(0)));
                each(step);
                if reached >= limit {
                    return;
                }
                assert!(
                    moved || begin.elapsed() < LONG,
                    "{name}-{partition} of {bootstrap} gives nothing at offset {reached}, its end is {limit}"
                );
            }
            Err(error) => {
                assert!(begin.elapsed() < LONG, "{name}-{partition} of {bootstrap} cannot be read: {error}");
                connection = None;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }
}

fn fetch(
    connection: &mut Connection,
    name: &str,
    partition: i32,
    offset: i64,
    isolation: i8,
) -> Result<Step, Error> {
    let p = fetch_payload(connection, name, partition, offset, isolation)?;
    let payload = p.records.unwrap_or_default();
    let batches = batches(&payload).unwrap_or_else(|e| panic!("{name}-{partition} at offset {offset}: {e}"));
    let aborted = p.aborted_transactions.unwrap_or_default();
    Ok(Step {
        log_start: p.log_start_offset,
        high_watermark: p.high_watermark,
        aborted: aborted.iter().map(|a| (a.first_offset, a.producer_id.0)).collect(),
        batches,
    })
}

fn fetch_payload(
    connection: &mut Connection,
    name: &str,
    partition: i32,
    offset: i64,
    isolation: i8,
) -> Result<PartitionData, Error> {
    let p = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(4 << 20);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(200)
        .with_min_bytes(1)
        .with_max_bytes(8 << 20)
        .with_isolation_level(isolation)
        .with_session_epoch(-1)
        .with_topics(vec![FetchTopic::default().with_topic(TopicName(text(name))).with_partitions(vec![p])]);
    let answer = connection.ask(12, &request)?;
    Error::check("fetch", answer.error_code)?;
    let p = answer.responses.into_iter().next().and_then(|t| t.partitions.into_iter().next());
    let p = p.ok_or_else(|| Error::Protocol("an answer without the partition".into()))?;
    Error::check(&format!("fetch at {offset}"), p.error_code)?;
    Ok(p)
}

/// Producers inside an aborted transaction, tracked as a consumer does.
#[derive(Default)]
struct Aborted {
    known: std::collections::BTreeSet<(i64, i64)>,
    inside: HashSet<i64>,
}

impl Aborted {
    fn learn(&mut self, list: &[(i64, i64)]) {
        self.known.extend(list.iter().copied());
    }

    fn records(&mut self, batch: &Batch, into: &mut Vec<Record>) {
        while let Some(&(first, producer)) = self.known.first() {
            if first > batch.next_offset() - 1 {
                break;
            }
            self.known.pop_first();
            self.inside.insert(producer);
        }
        if batch.is_control() {
            // Key of a control record: version, then type. Type 0 is ABORT.
            let kind = batch
                .records
                .first()
                .and_then(|r| r.key.as_ref())
                .map(|k| (k.get(2).copied(), k.get(3).copied()));
            if kind == Some((Some(0), Some(0))) {
                self.inside.remove(&batch.producer_id);
            }
            return;
        }
        if !(batch.is_transactional() && self.inside.contains(&batch.producer_id)) {
            // A fetch may begin inside a batch. Skips records that were already read.
            let last = into.last().map_or(-1, |r| r.offset);
            into.extend(batch.records.iter().filter(|r| r.offset > last).cloned());
        }
    }
}

/// Returns the first differences between two copies of a topic, one sentence each. Empty if they are equal.
#[must_use]
pub fn differences(
    source: &BTreeMap<i32, PartitionCopy>,
    mirror: &BTreeMap<i32, PartitionCopy>,
) -> Vec<String> {
    let mut found = Vec::new();
    if source.len() != mirror.len() {
        found.push(format!("{} partitions on the source, {} on the mirror", source.len(), mirror.len()));
    }
    for (partition, a) in source {
        let Some(b) = mirror.get(partition) else { continue };
        if (a.log_start, a.high_watermark) != (b.log_start, b.high_watermark) {
            found.push(format!(
                "partition {partition}: log {}..{} on the source, {}..{} on the mirror",
                a.log_start, a.high_watermark, b.log_start, b.high_watermark
            ));
        }
        let pairs = a.records.iter().map(Some).chain(std::iter::repeat(None));
        let others = b.records.iter().map(Some).chain(std::iter::repeat(None));
        let first = pairs.zip(others).take(a.records.len().max(b.records.len())).find(|(x, y)| x != y);
        if let Some((x, y)) = first {
            found.push(format!("partition {partition}: source {}, mirror {}", show(x), show(y)));
        }
    }
    found
}

pub(crate) fn show(record: Option<&Record>) -> String {
    let Some(r) = record else { return "has no record there".to_owned() };
    let short = |bytes: &Option<Vec<u8>>| match bytes {
        None => "null".to_owned(),
        Some(b) => String::from_utf8_lossy(&b[..b.len().min(60)]).into_owned(),
    };
    format!(
        "offset {} ts {} key {} value {} headers {}",
        r.offset,
        r.timestamp,
        short(&r.key),
        short(&r.value),
        r.headers.len()
    )
}

/// Asserts that the mirror holds the same records as the source, offset by offset.
///
/// # Panics
/// Panics with the first differences.
pub fn assert_same(source: &str, source_topic: &str, mirror: &str, mirror_topic: &str) {
    let found = differences(&topic(source, source_topic), &topic(mirror, mirror_topic));
    assert!(found.is_empty(), "{mirror_topic} differs from {source_topic}:\n{}", found.join("\n"));
}

/// Asserts that a promoted mirror holds the same records as the source, offset by offset, and a fence after
/// them in each partition. Clients do not see the fence.
///
/// # Panics
/// Panics with the first differences.
pub fn assert_promoted(source: &str, mirror: &str, name: &str) {
    let mut opened = topic(mirror, name);
    opened.values_mut().for_each(|copy| copy.high_watermark -= 1);
    let found = differences(&topic(source, name), &opened);
    assert!(found.is_empty(), "{name} differs from its source:\n{}", found.join("\n"));
}
