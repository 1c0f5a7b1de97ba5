//! Whether the source is known to be the log that the mirror is a copy of. Nothing is fetched before that.

use std::time::Duration;

use tokio::time::Instant;

use super::{Partition, Phase};

/// Pause before a comparison that could not be made is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How far the question is settled, once in the life of a partition.
#[derive(Debug, Default)]
pub(super) struct Origin {
    settled: bool,
    asking: bool,
    not_before: Option<Instant>,
}

impl Origin {
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// There is nothing of the source in the mirror yet.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }
}

impl Partition {
    /// The log end before which the record has to be compared with the source's; once, until an answer is given.
    #[must_use]
    pub fn begin_lineage_check(&self, now: Instant) -> Option<i64> {
        let mut state = self.state();
        let open = matches!(state.phase, Phase::Running | Phase::Frozen) && !state.origin.settled;
        if !open || state.origin.asking || state.origin.not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        state.origin.asking = true;
        Some(state.window.acknowledged)
    }

    /// The source is the same log, as far as can be said. `epoch` is the leader epoch of its last copied batch, -1 when not
    /// known. An answer of an earlier attempt settles nothing.
    pub fn lineage_checked(&self, attempt: u64, epoch: i32) {
        let mut state = self.state();
        state.origin.asking = false;
        if state.window.attempt == attempt {
            state.origin.settled = true;
            state.window.learn_epoch(epoch);
        }
    }

    /// It could not be compared; for people, why.
    pub fn lineage_unclear(&self, why: &str) {
        let mut state = self.state();
        state.origin.asking = false;
        state.origin.not_before = Some(Instant::now() + RETRY);
        drop(state);
        self.progress.update(|progress| why.clone_into(&mut progress.reason));
    }
}
