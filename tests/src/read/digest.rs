//! Compares topics that are too long for memory, by a short digest of each partition.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::client::admin::{Admin, EARLIEST, LATEST};
use crate::read::walk;

/// Digest of the records of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Log start offset and high watermark.
    pub bounds: (i64, i64),
    /// Number of records.
    pub records: u64,
    /// Hash of the offset, timestamp, key, value and headers of every record, in order.
    pub hash: u64,
}

/// Returns the digest of every partition of a topic. Ignores transactions: aborted records count.
///
/// # Panics
/// Panics if a partition cannot be read in time.
#[must_use]
pub fn topic(bootstrap: &str, name: &str) -> BTreeMap<i32, Digest> {
    let mut admin = Admin::to(bootstrap);
    let bounds = admin.offsets(name, EARLIEST).into_iter().zip(admin.offsets(name, LATEST));
    (0..).zip(bounds).map(|(partition, bounds)| (partition, of(bootstrap, name, partition, bounds))).collect()
}

fn of(bootstrap: &str, name: &str, partition: i32, bounds: (i64, i64)) -> Digest {
    let (mut hasher, mut records, mut next) = (DefaultHasher::new(), 0, bounds.0);
    walk(bootstrap, name, partition, Some(bounds.0), 0, |step| {
        for record in step.batches.iter().filter(|batch| !batch.is_control()).flat_map(|b| &b.records) {
            // A log, and a fetch, may begin inside a batch.
            if record.offset >= next {
                (record.offset, record.timestamp, &record.key, &record.value, &record.headers)
                    .hash(&mut hasher);
                (records, next) = (records + 1, record.offset + 1);
            }
        }
    });
    Digest { bounds, records, hash: hasher.finish() }
}

/// Asserts that two topics hold the same records at the same offsets.
///
/// # Panics
/// Panics with the partitions that differ.
pub fn assert_same(source: &str, source_topic: &str, mirror: &str, mirror_topic: &str) {
    let (a, b) = (topic(source, source_topic), topic(mirror, mirror_topic));
    let differ: Vec<String> = a
        .iter()
        .filter(|(partition, digest)| b.get(partition) != Some(digest))
        .map(|(partition, digest)| {
            format!("partition {partition}: {digest:?}, mirror {:?}", b.get(partition))
        })
        .collect();
    assert!(
        differ.is_empty() && a.len() == b.len(),
        "{mirror_topic} differs from {source_topic}:\n{}",
        differ.join("\n")
    );
}
