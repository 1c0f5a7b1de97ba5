//! How far a promote is with its fences, as the journal keeps it.

use serde::{Deserialize, Serialize};

/// How far a promote is with closing the logs to everything but clients. It never goes back: what is fenced takes no
/// more appends, whatever becomes of the promote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "fencing")]
pub enum Fencing {
    /// Mirroring goes on, or could.
    #[default]
    NotYet,
    /// All partitions had caught up and stand still. Fences are being written, perhaps some are there.
    Begun,
    /// All partitions are fenced, and the fences are replicated.
    Done {
        /// Log end offset of each partition behind its fence, in partition order.
        log_end_offsets: Vec<i64>,
    },
}
