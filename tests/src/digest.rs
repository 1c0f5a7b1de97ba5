//! Comparing topics that are too long to be held: what every partition holds, in a few numbers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::admin::{Admin, EARLIEST, LATEST};
use crate::read::walk;

/// A partition's records, offset by offset, in a few numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Where the log begins and ends.
    pub bounds: (i64, i64),
    /// Records in it.
    pub records: u64,
    /// Hash of every record's offset, timestamp, key, value and headers, in order.
    pub hash: u64,
}

/// Reads every partition of a topic without transactions, as it stands in the log.
///
/// # Panics
/// When a partition cannot be read in time.
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
            // A log may begin inside a batch, and so may a fetch.
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
/// When they do not, with the partitions that differ.
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
