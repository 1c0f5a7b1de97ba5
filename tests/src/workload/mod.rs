//! What producers write while faults happen: one topic for each way of writing, each by several clients with a codec each.
//!
//! The writers outlive any fault: a client that breaks is made anew. What they lose or repeat on the source that way does not
//! matter, for the truth of an audit is what the source's log holds in the end.

mod client;
mod record;
mod writer;

pub use writer::{Counts, Writers};

/// How a workload writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Without producer id; null and empty keys and values, timestamps out of order.
    Plain,
    /// With producer id and sequences.
    Idempotent,
    /// In transactions, 30 % of them aborted, some open for long.
    Transactional,
    /// Few keys again and again, and tombstones.
    Compacted,
    /// One to three records in a batch.
    Tiny,
    /// Up to some MiB in a record, 10 MiB now and then.
    Large,
}

/// A topic and those who write to it.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name, and that of its topic.
    pub name: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Configs of the topic.
    pub configs: &'static [(&'static str, &'static str)],
    /// One client for each.
    pub codecs: &'static [&'static str],
}

impl Workload {
    /// Offsets are gone from its log without anybody's fault.
    #[must_use]
    pub fn is_compacted(&self) -> bool {
        self.shape == Shape::Compacted
    }

    /// Every offset of its log holds a record: no markers, nothing aborted, nothing compacted.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        !matches!(self.shape, Shape::Compacted | Shape::Transactional)
    }
}

/// Segments roll and the cleaner runs every few seconds; tombstones go after two minutes. Records stay for long enough that
/// whoever reads along has seen them all.
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
