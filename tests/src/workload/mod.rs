//! Producers that write during the faults: one topic for each way of writing, with one client for each codec.
//!
//! The writers outlive any fault: a broken client is replaced. It does not matter which records they lose or
//! repeat on the source by that: the audit compares with what the log of the source holds in the end.

mod client;
mod record;
mod writer;

pub use writer::{Counts, Writers};

/// Way in which a workload writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Without a producer id; with null and empty keys and values, and timestamps out of order.
    Plain,
    /// With a producer id and sequences.
    Idempotent,
    /// In transactions: 30 % of them are aborted, and some stay open for up to two seconds.
    Transactional,
    /// Records with repeated keys, and tombstones.
    Compacted,
    /// One to three records in a batch.
    Tiny,
    /// Large records: 64 KiB to 1 MiB, and occasionally 10 MiB.
    Large,
}

/// A topic and its writers.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Name of the workload and of its topic.
    pub name: &'static str,
    /// Way in which the records are written.
    pub shape: Shape,
    /// Number of partitions of the topic.
    pub partitions: i32,
    /// Configs of the topic.
    pub configs: &'static [(&'static str, &'static str)],
    /// Codecs. There is one client for each.
    pub codecs: &'static [&'static str],
}

impl Workload {
    /// Returns true if a log cleaner removes records of the topic.
    #[must_use]
    pub fn is_compacted(&self) -> bool {
        self.shape == Shape::Compacted
    }

    /// Returns true if every offset of the log holds a record: no markers, nothing aborted, nothing
    /// compacted.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        !matches!(self.shape, Shape::Compacted | Shape::Transactional)
    }
}

/// Segments roll and the cleaner runs every few seconds; tombstones go after two minutes. Records stay for at
/// least 40 s, so that readers see all of them.
const COMPACTED: [(&str, &str); 6] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "6000"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("min.compaction.lag.ms", "40000"),
    ("max.compaction.lag.ms", "45000"),
    ("delete.retention.ms", "120000"),
];

/// All workloads.
pub const ALL: [Workload; 6] = [
    Workload {
        name: "plain",
        shape: Shape::Plain,
        partitions: 4,
        configs: &[],
        codecs: &["none", "gzip", "lz4", "zstd"],
    },
    Workload {
        name: "idempotent",
        shape: Shape::Idempotent,
        partitions: 3,
        configs: &[],
        codecs: &["lz4", "snappy", "none"],
    },
    Workload {
        name: "transactional",
        shape: Shape::Transactional,
        partitions: 3,
        configs: &[],
        codecs: &["none", "zstd", "gzip"],
    },
    Workload {
        name: "compacted",
        shape: Shape::Compacted,
        partitions: 3,
        configs: &COMPACTED,
        codecs: &["none", "lz4", "zstd"],
    },
    Workload {
        name: "tiny",
        shape: Shape::Tiny,
        partitions: 3,
        configs: &[],
        codecs: &["none", "gzip", "zstd"],
    },
    Workload {
        name: "large",
        shape: Shape::Large,
        partitions: 2,
        configs: &[("max.message.bytes", "12582912")],
        codecs: &["none", "lz4", "zstd"],
    },
];
