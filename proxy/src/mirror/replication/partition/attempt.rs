//! Attempts: periods of work on a partition between two resets.
//!
//! Whatever is asked for in one attempt may be answered in a later one. So plans, batches and gaps carry the attempt that they
//! belong to, and each method that takes an answer takes the attempt with it and compares under the one lock of the partition.

use crate::mirror::replication::partition::phase::Attempt;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::{Partition, PartitionState, Phase};

/// Delay before the append position is recovered, after the second reset without an append between them. It doubles with
/// each further reset.
const RESET_BACKOFF: Duration = Duration::from_millis(50);
/// Maximum of that delay.
const MAX_RESET_BACKOFF: Duration = Duration::from_millis(1_600);

impl Partition {
    /// Returns the current attempt.
    #[must_use]
    pub(crate) fn attempt(&self) -> Attempt {
        self.state().window.attempt
    }

    /// Begins a new attempt because something in `attempt` is unclear, unless that one has ended already: drops
    /// everything that is queued. The append position is recovered after `delay` and a backoff. A freeze ends
    /// with the reset: the task that froze the partition sees that and starts again.
    pub(crate) fn reset(&self, attempt: Attempt, why: &str, delay: Option<Duration>) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            self.reset_now(&mut state, why, delay);
        }
    }

    /// Begins a new attempt, whatever the current one is: all earlier work is in doubt. See [`Partition::reset`].
    pub(crate) fn restart(&self, why: &str, delay: Option<Duration>) {
        self.reset_now(&mut self.state(), why, delay);
    }

    pub(super) fn reset_now(&self, state: &mut PartitionState, why: &str, delay: Option<Duration>) {
        if matches!(state.phase, Phase::Failed(_)) {
            return;
        }
        self.budget.give_back(state.window.restart());
        state.bounds.gap = None;
        state.ready = false;
        state.consecutive_resets = state.consecutive_resets.saturating_add(1);
        state.phase = Phase::Recovering;
        // The first reset costs nothing: most are a leader that moved, or a connection that broke.
        let backoff =
            backoff::doubled(state.consecutive_resets.saturating_sub(1), RESET_BACKOFF, MAX_RESET_BACKOFF);
        let pause = delay.unwrap_or_default() + backoff;
        state.not_before = Some(Instant::now() + pause);
        self.progress.update(|progress| {
            why.clone_into(&mut progress.reason);
            progress.restarts += 1;
        });
        self.wakes.attention.notify_one();
    }

    /// Fails the partition for good, unless a later attempt has begun: what was found out before says nothing of
    /// it. A fenced partition has its end and does not fail.
    pub(crate) fn fail(&self, attempt: Attempt, failure: PartitionFailure) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            self.fail_now(&mut state, failure);
        }
    }

    /// Fails the partition for good, whatever the attempt: the mirror as a whole cannot go on.
    pub(crate) fn fail_with_its_mirror(&self, failure: PartitionFailure) {
        self.fail_now(&mut self.state(), failure);
    }

    fn fail_now(&self, state: &mut PartitionState, failure: PartitionFailure) {
        if !state.fenced && !matches!(state.phase, Phase::Failed(_)) {
            self.give_up(state, failure);
        }
    }
}
