//! How a partition comes to a standstill, for promote and failover.

use tokio::time::Instant;

use super::{Partition, Phase};

impl Partition {
    /// A stop of the mirror has fenced the log, which ends at `log_end`: nothing more is appended, and nothing that is
    /// found out about the source matters any more.
    pub fn found_fenced(&self, log_end: i64) {
        let mut state = self.state();
        self.abandon_window(&mut state);
        state.phase = Phase::Frozen;
        state.window.begin(log_end, false, Instant::now());
        state.origin.begin(true);
        state.fenced = true;
        drop(state);
        self.progress.update(|progress| {
            progress.log_end_offset = log_end;
            progress.failed = false;
        });
    }

    /// Stops fetching; what is queued still drains.
    pub fn freeze(&self) {
        let mut state = self.state();
        if state.phase == Phase::Running {
            state.phase = Phase::Frozen;
        }
    }

    /// Stops at once: what is queued is dropped, what is in flight no longer counts.
    pub fn abandon(&self) {
        let mut state = self.state();
        self.abandon_window(&mut state);
        if !matches!(state.phase, Phase::Failed(_)) {
            state.phase = Phase::Frozen;
        }
    }

    /// A freeze that lasts: after an interruption the partition comes back frozen, until it is thawed.
    pub fn close(&self) {
        self.state().closing = true;
    }

    /// Fetches again after a freeze.
    pub fn thaw(&self) {
        let mut state = self.state();
        state.closing = false;
        if state.phase == Phase::Frozen && !state.fenced {
            state.phase = Phase::Running;
        }
    }

    /// The log end when the partition is frozen and nothing is queued or in flight.
    #[must_use]
    pub fn drained_at(&self) -> Option<i64> {
        let state = self.state();
        (state.phase == Phase::Frozen && state.window.is_idle()).then_some(state.window.acknowledged)
    }

    /// As [`Partition::acknowledged`]; while it is not known, because the leader is gone, what was acknowledged last.
    #[must_use]
    pub fn known_end(&self) -> Option<i64> {
        self.acknowledged().or_else(|| Some(self.progress.get().log_end_offset).filter(|end| *end >= 0))
    }
}
