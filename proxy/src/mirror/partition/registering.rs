//! How a partition learns from the register where to go on.

use tokio::time::Instant;

use super::{Partition, Phase, Register};

impl Partition {
    /// Whether the register should be read now; not without a destination leader, whose queue the filler goes to, and
    /// not while anything of the partition is on its way to that leader: it may land behind the end that is read.
    #[must_use]
    pub fn wants_register(&self, now: Instant) -> bool {
        let state = self.state();
        state.phase == Phase::Unregistered
            && self.destination_leader() >= 0
            && state.not_before.is_none_or(|moment| moment <= now)
            && !self.progress.on_the_way().any_to(self.destination_leader())
    }

    /// The register, read in `attempt`, says where to go on. Returns true when the appender must be told that there is
    /// something to send: a log that does not reach its start offset yet is filled up to it.
    #[must_use]
    pub fn registered(&self, attempt: u64, register: Register) -> bool {
        let Register { next, armed } = register;
        let mut state = self.state();
        if state.window.attempt != attempt || matches!(state.phase, Phase::Failed(_)) {
            return false;
        }
        state.not_before = None;
        state.window.begin(next, armed, Instant::now());
        let is_settled = state.window.last_fetched_epoch >= 0 || next <= self.id.start_offset;
        state.origin.begin(is_settled);
        if state.phase == Phase::Unregistered {
            state.phase = if state.closing { Phase::Frozen } else { Phase::Running };
        }
        self.progress.update(|progress| {
            progress.log_end_offset = next;
            progress.reason.clear();
        });
        state.phase == Phase::Running
            && next < self.id.start_offset
            && self.fill(&mut state, self.id.start_offset)
    }
}
