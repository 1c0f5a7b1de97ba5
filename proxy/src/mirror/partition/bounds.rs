//! Where the logs of a partition begin, on both sides: the destination's log start follows the source's, and what lies
//! between is filler.

use std::time::Duration;

use tokio::time::Instant;

use super::{FetchPlan, Gap, Partition, Phase, State};
use crate::clock::now_ms;
use crate::mirror::progress::Filling;

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
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            gap: None,
            source_start: UNKNOWN,
            destination_start: UNKNOWN,
            trimming: false,
            trim_not_before: None,
        }
    }
}

impl Partition {
    /// The source's log begins here; -1 when it does not say.
    pub fn source_starts_at(&self, offset: i64) {
        let mut state = self.state();
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
    /// [`Partition::trimmed`] is called there is no second answer.
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

    /// The destination trimmed its log, which begins at `low_watermark` now; `None` when it did not, and it is tried again
    /// after a while.
    pub fn trimmed(&self, low_watermark: Option<i64>) {
        let mut state = self.state();
        let bounds = &mut state.bounds;
        bounds.trimming = false;
        match low_watermark {
            Some(start) => bounds.destination_start = bounds.destination_start.max(start),
            None => bounds.trim_not_before = Some(Instant::now() + Duration::from_millis(500)),
        }
    }

    /// Whether the destination's log begins where it should.
    #[must_use]
    pub fn starts_where_it_should(&self) -> bool {
        self.wanted_start(&self.state()).is_none()
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
        state.window.may_send() && !std::mem::replace(&mut state.ready, true)
    }
}
