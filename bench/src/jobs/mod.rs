//! The measurements. Each job starts its own processes, measures Linkgate and its peers in turn, and leaves
//! nothing behind.

pub mod catch_up;
pub mod connections;
pub mod failover;
pub mod far;
pub mod gateway;
pub mod growth;
pub mod lag;
pub mod partitions;
pub mod preroll;
pub mod promote;
pub mod soak;
pub mod tiny;

use crate::finding::Finding;

/// Thoroughness of a run.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Number of repetitions of short measurements.
    pub repetitions: usize,
    /// True: smaller amounts, and some measurements left out.
    pub quick: bool,
    /// True: only Linkgate, without its peers. Useful while working on Linkgate.
    pub alone: bool,
}

impl Effort {
    /// Returns `quick` or `whole`, depending on the kind of run.
    #[must_use]
    pub fn choose<T>(self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }
}

/// A job: its name, its purpose, and its measurement.
pub type Job = (&'static str, &'static str, fn(Effort) -> Vec<Finding>);

/// Every job, in the order in which they run.
pub const ALL: &[Job] = &[
    ("catch-up", "copying a long topic, uncompressed", catch_up::plain),
    ("catch-up-lz4", "the same, flights with lz4", catch_up::lz4),
    ("catch-up-zstd", "the same, flights with zstd", catch_up::zstd),
    ("far", "copying a backlog from a source that is far away", far::far),
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

/// Long jobs, which run only if they are named.
pub const LONG: &[Job] = &[("soak", "an hour at half the rate of a catch-up", soak::soak)];

/// Jobs that a quick run leaves out unless they are named: one is similar to another job, and one cannot show
/// its goal with a single small copy.
pub const NOT_QUICK: &[&str] = &["catch-up-lz4", "growth"];
