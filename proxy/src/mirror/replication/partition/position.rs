//! Begins the work on a partition at its recovered append position.

use std::sync::Arc;

use tokio::time::Instant;

use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{AppendPosition, Partition, Phase};

impl Partition {
    /// Returns true if the append position should be recovered now. That needs a destination leader, whose
    /// queue filler goes to. No append of the partition may be in flight to that leader: it may land behind
    /// the log end that is read.
    #[must_use]
    pub(crate) fn wants_recovery(&self, now: Instant) -> bool {
        let state = self.state();
        state.phase == Phase::Recovering
            && self.destination_leader() >= 0
            && state.not_before.is_none_or(|moment| moment <= now)
            && !self.progress.on_the_way().any_to(self.destination_leader())
    }

    /// Begins at the append position that was recovered in `attempt`. A log that ends below its start offset is
    /// filled up to it (pre-roll).
    pub(crate) fn recovered(self: &Arc<Self>, attempt: Attempt, position: AppendPosition) {
        let AppendPosition { next, producer_known } = position;
        let mut state = self.state();
        if state.window.attempt != attempt || matches!(state.phase, Phase::Failed(_)) {
            return;
        }
        if self.destination_leader() < 0 {
            // The leader went away while the position was read. It is read again when there is one: what is
            // filled now would wait in a queue that nobody serves.
            return;
        }
        state.not_before = None;
        state.window.begin(next, producer_known, Instant::now());
        let is_settled = state.window.last_fetched_epoch >= 0 || next <= self.id.start_offset;
        state.truncation.begin(is_settled);
        if state.phase == Phase::Recovering {
            state.phase = if state.closing { Phase::Frozen } else { Phase::Running };
        }
        self.progress.update(|progress| {
            progress.log_end_offset = next;
            progress.reason.clear();
        });
        if state.phase == Phase::Running && next < self.id.start_offset {
            self.fill(&mut state, self.id.start_offset);
        }
    }
}
