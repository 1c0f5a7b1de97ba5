//! Whether the source is known to be the log that the mirror is a copy of. Nothing is fetched before that.
//!
//! A fetch that names the leader epoch of the last copied batch lets the source tell. Before one that cannot (a process just
//! started, somebody else appended, the source cannot place the epoch), the mirror's end is compared with the source
//! ([`crate::mirror::lineage`]).

use std::time::Duration;

use tokio::time::Instant;

use super::{Failure, FetchPlan, Partition, Phase};

/// Pause before a comparison that could not be made is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How far the question is settled.
#[derive(Debug, Default)]
pub(super) struct Origin {
    settled: bool,
    /// The attempt that a comparison under way is of.
    asking: Option<u64>,
    /// Where the source could not place the epoch that was named, unless it has answered a fetch since.
    pub(super) unplaced: Option<i64>,
    not_before: Option<Instant>,
}

impl Origin {
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// An attempt begins. It `is_settled` when the source can be told an epoch, or nothing of it is in the mirror yet.
    pub(super) fn begin(&mut self, is_settled: bool) {
        self.settled = is_settled;
        self.unplaced = None;
    }
}

impl Partition {
    /// The log end before which the record has to be compared with the source's; once, until an answer is given.
    #[must_use]
    pub fn begin_lineage_check(&self, now: Instant) -> Option<i64> {
        let mut state = self.state();
        let open = matches!(state.phase, Phase::Running | Phase::Frozen) && !state.origin.settled;
        let attempt = state.window.attempt;
        let is_asking = state.origin.asking == Some(attempt);
        if !open || is_asking || state.origin.not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        state.origin.asking = Some(attempt);
        Some(state.window.acknowledged)
    }

    /// The source is the same log, as far as can be said. `epoch` is the leader epoch of its last copied batch, -1 when not
    /// known. An answer of an earlier attempt settles nothing.
    pub fn lineage_checked(&self, attempt: u64, epoch: i32) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            state.origin.asking = None;
            state.origin.settled = true;
            state.window.learn_epoch(epoch);
        }
    }

    /// The source's log is not the one that `plan` goes on from. What is only queued is dropped and fetched anew; where nothing is,
    /// the mirror itself holds what the source does not, and ends with what `failure` makes of its log end. An answer to an
    /// earlier attempt, or to a fetch whose data is here already, says nothing.
    pub fn source_diverged(&self, plan: FetchPlan, failure: impl FnOnce(i64) -> Failure) {
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
        drop(state);
        let why =
            "the source no longer has all that was fetched from it; what is not appended yet is dropped";
        self.reset_attempt(plan.attempt, why, None);
    }

    /// The source has the offset of `plan` in its log and cannot place the epoch that was named with it: its log may be another. What
    /// is only queued is dropped; where nothing is, the mirror's end is compared before anything is fetched.
    pub fn epoch_not_placed(&self, plan: FetchPlan) {
        let mut state = self.state();
        let window = &state.window;
        let is_present = window.attempt == plan.attempt && window.next_fetch == plan.offset;
        if !is_present || !matches!(state.phase, Phase::Running | Phase::Frozen) {
            return;
        }
        if window.is_idle() {
            state.window.forget_epoch();
            // A second time in a row, after the comparison: it is its own epoch that the source cannot place.
            let is_compared = state.origin.unplaced.replace(plan.offset) == Some(plan.offset);
            state.origin.settled = is_compared || plan.offset <= self.id.start_offset;
            drop(state);
            return self.attention.notify_one();
        }
        drop(state);
        self.reset_attempt(plan.attempt, "the source cannot place the epoch of what was fetched last", None);
    }

    /// It could not be compared; for people, why.
    pub fn lineage_unclear(&self, attempt: u64, why: &str) {
        let mut state = self.state();
        if state.window.attempt != attempt {
            return;
        }
        state.origin.asking = None;
        state.origin.not_before = Some(Instant::now() + RETRY);
        drop(state);
        self.progress.update(|progress| why.clone_into(&mut progress.reason));
    }
}
