//! Brings a partition to a standstill, for promote and failover.

use tokio::time::Instant;

use crate::mirror::replication::partition::{Partition, Phase};

impl Partition {
    /// Freezes the partition for good: a stop of the mirror has fenced the log, which ends at `log_end`.
    /// Nothing more is appended, and no finding about the source matters any more.
    pub(crate) fn found_fenced(&self, log_end: i64) {
        let mut state = self.state();
        self.abandon_window(&mut state);
        state.phase = Phase::Frozen;
        state.window.begin(log_end, false, Instant::now());
        state.truncation.begin(true);
        state.fenced = true;
        drop(state);
        self.progress.update(|progress| {
            progress.log_end_offset = log_end;
            progress.failed = false;
        });
    }

    /// Stops fetching. What is queued is still appended.
    pub(crate) fn freeze(&self) {
        let mut state = self.state();
        if state.phase == Phase::Running {
            state.phase = Phase::Frozen;
        }
    }

    /// Stops at once: drops what is queued and ignores the answers to what is in flight.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        self.abandon_window(&mut state);
        if !matches!(state.phase, Phase::Failed(_)) {
            state.phase = Phase::Frozen;
        }
    }

    /// Makes a freeze last: after a reset the partition comes back frozen, until it is thawed.
    pub(crate) fn close(&self) {
        self.state().closing = true;
    }

    /// Ends a freeze: fetches again, unless the log is fenced or the partition was abandoned.
    pub(crate) fn thaw(&self) {
        let mut state = self.state();
        state.closing = false;
        // After it was abandoned, nobody knows at which offset to go on.
        if state.phase == Phase::Frozen && !state.fenced && state.window.next_fetch >= 0 {
            state.phase = Phase::Running;
        }
    }

    /// Returns the log end offset if the partition is frozen and nothing is queued or in flight. `None` if it was
    /// abandoned: appends may be on their way then.
    #[must_use]
    pub(crate) fn drained_at(&self) -> Option<i64> {
        let state = self.state();
        let is_still = state.phase == Phase::Frozen && state.window.is_idle() && state.window.next_fetch >= 0;
        is_still.then_some(state.window.acknowledged)
    }

    /// Returns the acknowledged log end offset. While it is not known, because the leader is gone, returns
    /// the one that was acknowledged last.
    #[must_use]
    pub(crate) fn known_end(&self) -> Option<i64> {
        self.acknowledged().or_else(|| Some(self.progress.get().log_end_offset).filter(|end| *end >= 0))
    }
}
