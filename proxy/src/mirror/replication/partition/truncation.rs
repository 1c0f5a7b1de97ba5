//! The truncation check of a partition: whether the source's log still is the one that was copied. Nothing is
//! fetched before the check is settled.
//!
//! A fetch that names the leader epoch of the last copied batch lets the source itself report a truncation.
//! If no epoch can be named (the process just started, another writer appended, the source does not know the
//! epoch), the end of the mirror is compared with the source first ([`crate::mirror::replication::truncation_check`]).

use std::time::Duration;

use tokio::time::Instant;

use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{FetchPlan, Partition, Phase};

/// Pause before a failed comparison is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(500);

/// State of the truncation check.
#[derive(Debug, Default)]
pub(crate) struct TruncationState {
    settled: bool,
    /// Attempt for which a comparison is running.
    asking: Option<Attempt>,
    /// Fetch offset at which the source did not know the named epoch. Cleared when the source answers a
    /// fetch.
    pub(crate) unplaced: Option<i64>,
    not_before: Option<Instant>,
}

impl TruncationState {
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Begins an attempt. `is_settled`: a fetch can name an epoch, or the mirror holds nothing of the source
    /// yet.
    pub(crate) fn begin(&mut self, is_settled: bool) {
        self.settled = is_settled;
        self.unplaced = None;
    }
}

impl Partition {
    /// Returns the log end whose last record must be compared with the source. Returns `None` if no
    /// comparison is due, or while one of this attempt is running.
    #[must_use]
    pub(crate) fn begin_truncation_check(&self, now: Instant) -> Option<i64> {
        let mut state = self.state();
        let open = matches!(state.phase, Phase::Running | Phase::Frozen) && !state.truncation.settled;
        let attempt = state.window.attempt;
        let is_asking = state.truncation.asking == Some(attempt);
        if !open || is_asking || state.truncation.not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        state.truncation.asking = Some(attempt);
        Some(state.window.acknowledged)
    }

    /// Settles the check: as far as can be said, the source's log is the one that was copied. `epoch` is the
    /// leader epoch of the last copied batch, -1 if not known. An answer of an earlier attempt is ignored.
    pub(crate) fn truncation_checked(&self, attempt: Attempt, epoch: i32) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            state.truncation.asking = None;
            state.truncation.settled = true;
            state.window.learn_epoch(epoch);
        }
    }

    /// Handles an answer that says that the source's log diverges from the one that `plan` continues. If the
    /// window holds batches, they are dropped and fetched again. If it is empty, the mirror itself holds what
    /// the source does not, and the partition fails with what `failure` makes of its log end. An answer to an
    /// earlier attempt, or to a fetch whose data is here already, is ignored.
    pub(crate) fn source_diverged(&self, plan: FetchPlan, failure: impl FnOnce(i64) -> PartitionFailure) {
        let mut state = self.state();
        let window = &state.window;
        let is_present = window.attempt == plan.attempt && window.next_fetch == plan.offset;
        if !is_present || !matches!(state.phase, Phase::Running | Phase::Frozen) {
            return;
        }
        if window.is_idle() {
            let failure = failure(window.acknowledged);
            return self.give_up(&mut state, failure);
        }
        let why = "the source lost fetched records; those not appended yet are dropped";
        self.reset_now(&mut state, why, None);
    }

    /// Handles an answer that says that the source's log has the offset of `plan`, but does not know the
    /// epoch named with it: it may be another log. If the window holds batches, they are dropped. If it is
    /// empty, the end of the mirror is compared with the source before anything is fetched.
    pub(crate) fn epoch_not_placed(&self, plan: FetchPlan) {
        let mut state = self.state();
        let window = &state.window;
        let is_present = window.attempt == plan.attempt && window.next_fetch == plan.offset;
        if !is_present || !matches!(state.phase, Phase::Running | Phase::Frozen) {
            return;
        }
        if window.is_idle() {
            state.window.forget_epoch();
            // A second time in a row, after the comparison: the source does not know its own epoch.
            let is_compared = state.truncation.unplaced.replace(plan.offset) == Some(plan.offset);
            state.truncation.settled = is_compared || plan.offset <= self.id.start_offset;
            drop(state);
            return self.wakes.attention.notify_one();
        }
        let why = "the source does not know the leader epoch of the last fetched record";
        self.reset_now(&mut state, why, None);
    }

    /// Ends a comparison that failed, with the reason for operators. It is tried again.
    pub(crate) fn truncation_unclear(&self, attempt: Attempt, why: &str) {
        let mut state = self.state();
        if state.window.attempt != attempt {
            return;
        }
        state.truncation.asking = None;
        state.truncation.not_before = Some(Instant::now() + RETRY_BACKOFF);
        drop(state);
        self.progress.update(|progress| why.clone_into(&mut progress.reason));
    }
}
