//! What is measured. Each job starts what it needs, measures everybody in turn, and leaves nothing behind.

pub mod catch_up;
pub mod connections;
pub mod failover;
pub mod gateway;
pub mod growth;
pub mod lag;
pub mod partitions;
pub mod preroll;
pub mod promote;
pub mod soak;
pub mod tiny;

use crate::finding::Finding;

/// How thorough a run is.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Repetitions of what is short.
    pub repetitions: usize,
    /// Everything smaller, and some of it left out.
    pub quick: bool,
    /// Without the peers: while working on Linkgate itself.
    pub alone: bool,
}

impl Effort {
    /// Of the two the one for this run.
    #[must_use]
    pub fn choose<T>(self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }
}

/// A job: name, what it is for, and its measurement.
pub type Job = (&'static str, &'static str, fn(Effort) -> Vec<Finding>);

/// Every job, in the order in which they run.
pub const ALL: &[Job] = &[
    ("catch-up", "copying a long topic, uncompressed", catch_up::plain),
    ("catch-up-lz4", "the same, flights with lz4", catch_up::lz4),
    ("catch-up-zstd", "the same, flights with zstd", catch_up::zstd),
    ("tiny", "copying batches of one record", tiny::tiny),
    ("lag", "from the source's acknowledgement to a reader of the mirror", lag::lag),
    ("gateway", "produce and consume through the gateway", gateway::gateway),
    ("connections", "many idle clients of the gateway", connections::connections),
    ("growth", "the same bytes in more and more partitions", growth::growth),
    ("partitions", "thousands of mirror partitions: start, memory, CPU at rest", partitions::partitions),
    ("promote", "from the command until a thousand partitions take writes", promote::promote),
    ("failover", "from the command until a topic whose source is gone takes writes", failover::failover),
    ("preroll", "filling a log that begins above 0", preroll::preroll),
];

/// Jobs that take so long that they run only when they are named.
pub const LONG: &[Job] = &[("soak", "an hour at half the rate of a catch-up", soak::soak)];

/// Jobs that a quick run leaves out unless they are named: what is much like another one, and what says nothing about its
/// goal when it copies little once.
pub const NOT_QUICK: &[&str] = &["catch-up-lz4", "growth"];
