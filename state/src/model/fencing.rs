//! Progress of a promote with its fences, as the journal keeps it.

use serde::{Deserialize, Serialize};

/// Progress of a promote with closing the logs to everything but clients. It never goes back: a fenced log
/// takes no more appends of Linkgate, even if the promote does not finish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "fencing")]
pub enum Fencing {
    /// Mirroring goes on, or could.
    #[default]
    NotYet,
    /// All partitions had caught up and stand still. The fences are being written; some may be there already.
    Begun,
    /// All partitions are fenced, and the fences are replicated.
    Done {
        /// Log end offset of each partition behind its fence, in partition order.
        log_end_offsets: Vec<i64>,
    },
}
