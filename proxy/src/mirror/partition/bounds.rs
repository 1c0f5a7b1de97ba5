//! Where the logs of a partition begin, on both sides: the destination's log start follows the source's, and what lies
//! between is filler.

use std::sync::MutexGuard;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::{FetchPlan, Gap, Partition, Phase, State};
use crate::clock::now_ms;
use crate::mirror::progress::Filling;

/// Pause before a trim that did not come through is tried again.
const TRIM_RETRY: Duration = Duration::from_millis(500);
/// The same for one that the destination refused for good.
const REFUSED_TRIM_RETRY: Duration = Duration::from_secs(30);

/// An offset that is not known.
const UNKNOWN: i64 = -1;

/// Log starts as last told, and what follows from them.
#[derive(Debug)]
pub(super) struct Bounds {
    /// The source no longer has what is next; mirroring stands still until that is in the journal.
    pub(super) gap: Option<Gap>,
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
    /// The source answers a fetch, and its log begins here; -1 when it does not say.
    pub fn source_answers(&self, log_start: i64) {
        let mut state = self.state();
        state.refusals.source_since = None;
        state.origin.unplaced = None;
        self.begins_at(state, log_start);
    }

    /// The source's log begins here; -1 when it does not say.
    pub fn source_starts_at(&self, offset: i64) {
        self.begins_at(self.state(), offset);
    }

    fn begins_at(&self, mut state: MutexGuard<'_, State>, offset: i64) {
        let advanced = offset > state.bounds.source_start;
        state.bounds.source_start = state.bounds.source_start.max(offset);
        drop(state);
        if advanced {
            self.attention.notify_one();
        }
    }

    /// The destination's log begins here.
    pub fn destination_starts_at(&self, offset: i64) {
        let mut state = self.state();
        state.bounds.destination_start = state.bounds.destination_start.max(offset);
    }

    /// Where the destination's log should begin, when it begins earlier and holds that much. Until
    /// [`Partition::trimmed`] or a sibling is called there is no second answer.
    #[must_use]
    pub fn begin_trim(&self, now: Instant) -> Option<i64> {
        let mut state = self.state();
        let wanted = self.wanted_start(&state);
        let bounds = &mut state.bounds;
        if wanted.is_none() || bounds.trimming || bounds.trim_not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        bounds.trimming = true;
        wanted
    }

    /// The destination's log begins at `start` now.
    pub fn trimmed(&self, start: i64) {
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.destination_start = state.bounds.destination_start.max(start);
        state.bounds.trim_refused = None;
    }

    /// The destination did not trim its log; it is asked again soon.
    pub fn trim_failed(&self) {
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.trim_not_before = Some(Instant::now() + TRIM_RETRY);
    }

    /// The destination will not trim its log to `offset`, and why. It is asked again now and then: somebody may allow it.
    pub fn trim_refused(&self, link: &str, offset: i64, why: &str) {
        let reason = format!("the mirror's log start cannot follow the source's to offset {offset}: {why}");
        let mut state = self.state();
        state.bounds.trimming = false;
        state.bounds.trim_not_before = Some(Instant::now() + REFUSED_TRIM_RETRY);
        let before = state.bounds.trim_refused.replace(reason.clone());
        drop(state);
        if before.is_none() {
            warn!(link, topic = self.id.topic, partition = self.id.index, reason, "log start refused");
        }
        self.progress.update(|progress| progress.reason = reason);
    }

    /// Whether the destination's log begins where it should; `Err` with the reason when the destination will not have it so.
    ///
    /// # Errors
    /// The destination has refused for good.
    pub fn starts_where_it_should(&self) -> Result<bool, String> {
        let state = self.state();
        match (self.wanted_start(&state), &state.bounds.trim_refused) {
            (None, _) => Ok(true),
            (Some(_), Some(reason)) => Err(reason.clone()),
            (Some(_), None) => Ok(false),
        }
    }

    fn wanted_start(&self, state: &State) -> Option<i64> {
        let wanted = self.id.start_offset.max(state.bounds.source_start);
        let holds =
            state.window.acknowledged >= wanted && matches!(state.phase, Phase::Running | Phase::Frozen);
        let known = state.bounds.destination_start;
        (holds && known != UNKNOWN && known < wanted).then_some(wanted)
    }

    /// The source's log begins at `start`, behind what was asked for by `plan`.
    pub fn met_gap(&self, plan: FetchPlan, start: i64) {
        let mut state = self.state();
        let wanted = state.window.attempt == plan.attempt && state.window.next_fetch == plan.offset;
        if wanted && state.phase == Phase::Running {
            state.bounds.gap = Some(Gap { from: plan.offset, to: start, attempt: plan.attempt });
            drop(state);
            self.attention.notify_one();
        }
    }

    /// The gap that [`Partition::met_gap`] told of, as long as it is there.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        self.state().bounds.gap
    }

    /// The gap is in the journal: it is filled, and mirroring goes on behind it. Returns true when the appender must be
    /// told that there is something to send.
    #[must_use]
    pub fn fill_gap(&self, gap: Gap) -> bool {
        let mut state = self.state();
        if state.bounds.gap != Some(gap) {
            return false;
        }
        state.bounds.gap = None;
        state.window.attempt == gap.attempt && state.phase == Phase::Running && self.fill(&mut state, gap.to)
    }

    pub(super) fn fill(&self, state: &mut State, to: i64) -> bool {
        let from = state.window.next_fetch;
        match state.window.fill_to(to) {
            Ok(bytes) => self.budget.take(bytes),
            Err(broken) => {
                self.give_up(state, super::illegal(&broken));
                return false;
            }
        }
        self.progress.update(|progress| {
            // After an interruption it is the same run.
            let same = progress.filling.filter(|filling| filling.to == to);
            progress.filling = Some(same.unwrap_or(Filling { from, to, since_ms: now_ms() }));
        });
        state.window.may_send(Instant::now()) && !std::mem::replace(&mut state.ready, true)
    }
}
