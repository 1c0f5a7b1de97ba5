//! Log start offsets of a partition on both sides. The destination's log start follows the source's; offsets
//! below it that were not copied are filler until they are trimmed.

use parking_lot::MutexGuard;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::clock::now_ms;
use crate::mirror::progress::Filling;
use crate::mirror::replication::partition::{FetchPlan, LogStartJump, Partition, PartitionState, Phase};

/// Pause before a failed trim is tried again.
const TRIM_BACKOFF: Duration = Duration::from_millis(500);
/// Pause before a trim that the destination refused for good is tried again.
const REFUSED_TRIM_BACKOFF: Duration = Duration::from_secs(30);

/// Value of an offset that is not known.
const UNKNOWN: i64 = -1;

/// Log start offsets as last reported, and the state of the trim.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// A log start jump that is not in the journal yet. Nothing is fetched until it is.
    pub(crate) gap: Option<LogStartJump>,
    source_start: i64,
    destination_start: i64,
    trimming: bool,
    trim_not_before: Option<Instant>,
    trim_refused: Option<String>,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            gap: None,
            source_start: UNKNOWN,
            destination_start: UNKNOWN,
            trimming: false,
            trim_not_before: None,
            trim_refused: None,
        }
    }
}

impl Partition {
    /// Takes note that the source answered a fetch and that its log begins at `log_start`; -1 if it does not
    /// say.
    pub(crate) fn source_answers(&self, log_start: i64) {
        let mut state = self.state();
        state.refusals.source_since = None;
        state.truncation.unplaced = None;
        self.begins_at(state, log_start);
    }

    /// Takes note that the source's log begins at `offset`; -1 if the source does not say.
    pub(crate) fn source_starts_at(&self, offset: i64) {
        self.begins_at(self.state(), offset);
    }

    fn begins_at(&self, mut state: MutexGuard<'_, PartitionState>, offset: i64) {
        let advanced = offset > state.bounds.source_start;
        state.bounds.source_start = state.bounds.source_start.max(offset);
        drop(state);
        if advanced {
            self.wakes.attention.notify_one();
        }
    }

    /// Takes note that the destination's log begins at `offset`.
    pub(crate) fn destination_starts_at(&self, offset: i64) {
        let mut state = self.state();
        state.bounds.destination_start = state.bounds.destination_start.max(offset);
    }

    /// Returns the offset to trim the destination's log to, if its log begins earlier and reaches that
    /// offset. After that it returns `None` until [`Partition::trimmed`], [`Partition::trim_failed`] or
    /// [`Partition::trim_refused`] is called.
    #[must_use]
    pub(crate) fn begin_trim(&self, now: Instant) -> Option<i64> {
        let mut state = self.state();
        let wanted = self.wanted_start(&state);
        let bounds = &mut state.bounds;
        if wanted.is_none() || bounds.trimming || bounds.trim_not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        bounds.trimming = true;
        wanted
    }

    /// Ends a trim: the destination's log begins at `start` now.
    pub(crate) fn trimmed(&self, start: i64) {
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.destination_start = state.bounds.destination_start.max(start);
        state.bounds.trim_refused = None;
    }

    /// Ends a trim that failed. It is tried again soon.
    pub(crate) fn trim_failed(&self) {
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.trim_not_before = Some(Instant::now() + TRIM_BACKOFF);
    }

    /// Ends a trim to `offset` that the destination refused for good, with the reason. It is tried again at a
    /// longer interval, since somebody may allow it.
    pub(crate) fn trim_refused(&self, link: &str, offset: i64, why: &str) {
        let reason = format!("the mirror's log start cannot follow the source's to offset {offset}: {why}");
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.trim_not_before = Some(Instant::now() + REFUSED_TRIM_BACKOFF);
        let before = state.bounds.trim_refused.replace(reason.clone());
        drop(state);
        if before.is_none() {
            warn!(
                link,
                topic = self.id.topic,
                partition = self.id.index,
                reason,
                "the destination refused to trim the mirror's log"
            );
        }
        self.progress.update(|progress| progress.reason = reason);
    }

    /// Returns true if the destination's log begins where it should, and false if a trim is still to come.
    ///
    /// # Errors
    /// Fails with the reason if the destination refused the trim for good.
    pub(crate) fn starts_where_it_should(&self) -> Result<bool, String> {
        let state = self.state();
        match (self.wanted_start(&state), &state.bounds.trim_refused) {
            (None, _) => Ok(true),
            (Some(_), Some(reason)) => Err(reason.clone()),
            (Some(_), None) => Ok(false),
        }
    }

    fn wanted_start(&self, state: &PartitionState) -> Option<i64> {
        let wanted = self.id.start_offset.max(state.bounds.source_start);
        let holds =
            state.window.acknowledged >= wanted && matches!(state.phase, Phase::Running | Phase::Frozen);
        let known = state.bounds.destination_start;
        (holds && known != UNKNOWN && known < wanted).then_some(wanted)
    }

    /// Records a log start jump: the source's log begins at `start`, behind the offset that `plan` asked for.
    /// An answer to an earlier fetch is ignored.
    pub(crate) fn jump_to_log_start(&self, plan: FetchPlan, start: i64) {
        let mut state = self.state();
        let wanted = state.window.attempt == plan.attempt && state.window.next_fetch == plan.offset;
        if wanted && state.phase == Phase::Running {
            state.bounds.gap = Some(LogStartJump { from: plan.offset, to: start, attempt: plan.attempt });
            drop(state);
            self.wakes.attention.notify_one();
        }
    }

    /// Returns the log start jump that [`Partition::jump_to_log_start`] recorded, while it is not filled.
    #[must_use]
    pub(crate) fn gap(&self) -> Option<LogStartJump> {
        self.state().bounds.gap
    }

    /// Fills the gap of a log start jump that is in the journal by now. Mirroring goes on behind it.
    pub(crate) fn fill_gap(self: &Arc<Self>, gap: LogStartJump) {
        let mut state = self.state();
        if state.bounds.gap != Some(gap) {
            return;
        }
        state.bounds.gap = None;
        if state.window.attempt == gap.attempt && state.phase == Phase::Running {
            self.fill(&mut state, gap.to);
        }
    }

    pub(super) fn fill(self: &Arc<Self>, state: &mut PartitionState, to: i64) {
        let from = state.window.next_fetch;
        match state.window.fill_to(to) {
            Ok(bytes) => self.budget.take(bytes),
            Err(broken) => {
                return self.give_up(state, crate::mirror::replication::partition::illegal(&broken));
            }
        }
        self.progress.update(|progress| {
            // After an interruption, the same filling goes on.
            let same = progress.filling.filter(|filling| filling.to == to);
            progress.filling = Some(same.unwrap_or(Filling { from, to, since_ms: now_ms() }));
        });
        self.wake_appender(state, Instant::now());
    }
}
