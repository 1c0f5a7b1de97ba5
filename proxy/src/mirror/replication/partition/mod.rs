//! State of one partition of a mirror topic: what is fetched, queued, in flight and acknowledged.
//!
//! ```text
//!         position recovered                 anything unclear (error, lost connection, leader change)
//! Recovering ──────────► Running ─────────────────────────────────────────────► Recovering
//!                             │ freeze (promote: drain; failover: abandon)
//!                             ▼
//!                          Frozen            any ──► Failed
//! ```
//!
//! The destination log is the checkpoint. If anything is unclear, a reset drops everything that is queued,
//! and the append position is recovered. `attempt` counts the resets, so that an answer to an earlier attempt
//! changes nothing.
//!
//! Invariants: batches leave in offset order without gap or overlap (`batch-is-next`), and the bytes held
//! exceed the window by at most one fetch.

pub(crate) mod asking;
pub(crate) mod attempt;
pub(crate) mod catching_up;
pub(crate) mod epochs;
pub(crate) mod leaders;
pub(crate) mod log_start;
pub(crate) mod phase;
pub(crate) mod position;
pub(crate) mod ready_queue;
pub(crate) mod refusals;
pub(crate) mod shaping;
pub(crate) mod stopping;
pub(crate) mod truncation;
pub(crate) mod window;

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

use state::invariant::Broken;
use state::model::MirrorError;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::mirror::progress::ProgressCell;
use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::replication::lane::own_lane;
use crate::mirror::replication::shape::ShapeOutput;

pub(crate) use self::phase::{
    AppendPosition, FetchPlan, LogStartJump, NoFetch, PartitionIdentity, Phase, Sending,
};
pub(crate) use self::refusals::RecordsRefused;
pub(crate) use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::asking::Question;
use crate::mirror::replication::partition::catching_up::CatchingUpFlag;
use crate::mirror::replication::partition::leaders::Leaders;
use crate::mirror::replication::partition::log_start::Bounds;
pub(crate) use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::ready_queue::ReadyHandle;
use crate::mirror::replication::partition::refusals::PartitionRefusals;
use crate::mirror::replication::partition::shaping::ShapingFlag;
use crate::mirror::replication::partition::truncation::TruncationState;
use crate::mirror::replication::partition::window::Window;

#[derive(Debug)]
struct PartitionState {
    phase: Phase,
    window: Window,
    fenced: bool,
    closing: bool,
    bounds: Bounds,
    truncation: TruncationState,
    refusals: PartitionRefusals,
    /// True while the partition is in the appender's queue of partitions with something to send.
    ready: bool,
    /// Earliest time of the next position recovery or fetch.
    not_before: Option<Instant>,
    consecutive_resets: u32,
    /// The question to the source that is under way.
    asking: Option<Question>,
}

/// Whom a partition wakes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wakes {
    /// Its link runner, when it needs that one's attention.
    pub attention: Arc<Notify>,
    /// The appenders of its link, when it has something to send.
    pub ready: ReadyHandle,
}

/// One partition. Shared by the fetcher of its source leader and the appender of its destination leader.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Identity, which never changes.
    pub id: PartitionIdentity,
    /// Progress, as other tasks and operators see it.
    pub progress: ProgressCell,
    leaders: Leaders,
    window_bytes: usize,
    budget: Arc<ByteBudget>,
    wakes: Wakes,
    shaping: ShapingFlag,
    catching_up: CatchingUpFlag,
    state: Mutex<PartitionState>,
}

impl Partition {
    /// Creates a partition whose append position is not known yet. `window_bytes` bounds what it holds
    /// between fetch and append, `budget` bounds what all partitions hold together.
    #[must_use]
    pub(crate) fn new(
        id: PartitionIdentity,
        progress: ProgressCell,
        window_bytes: usize,
        budget: Arc<ByteBudget>,
        wakes: Wakes,
    ) -> Self {
        Partition {
            leaders: Leaders::unknown(own_lane(&id.topic, id.index)),
            id,
            progress,
            window_bytes,
            budget,
            wakes,
            shaping: ShapingFlag::default(),
            catching_up: CatchingUpFlag::default(),
            state: Mutex::new(PartitionState {
                phase: Phase::Recovering,
                window: Window::new(),
                fenced: false,
                closing: false,
                bounds: Bounds::default(),
                truncation: TruncationState::default(),
                refusals: PartitionRefusals::default(),
                ready: false,
                not_before: None,
                consecutive_resets: 0,
                asking: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, PartitionState> {
        self.state.lock()
    }

    /// Returns the leader on the source and its leader epoch; -1 while not known.
    #[must_use]
    pub(crate) fn source_leader(&self) -> (i32, i32) {
        self.leaders.source()
    }

    /// Records the leader on the source and its leader epoch.
    pub(crate) fn set_source_leader(&self, leader: i32, epoch: i32) {
        self.leaders.set_source(leader, epoch);
    }

    /// Returns the leader on the destination; -1 while not known.
    #[must_use]
    pub(crate) fn destination_leader(&self) -> i32 {
        self.leaders.destination()
    }

    /// Records the leader on the destination. A change resets the partition, since it is unclear what became
    /// of the appends in flight to the old leader.
    pub(crate) fn set_destination_leader(&self, leader: i32) {
        // One step: between the two, the new leader would get batches of the attempt that went to the old one.
        let mut state = self.state();
        let before = self.leaders.set_destination(leader);
        if before != leader && before != -1 {
            self.reset_now(&mut state, "the destination leader moved", None);
        } else if before != leader {
            drop(state);
            self.wakes.attention.notify_one();
        }
    }

    /// Returns the lane to the destination leader that the partition uses.
    #[must_use]
    pub(crate) fn lane(&self) -> usize {
        self.leaders.lane()
    }

    /// Uses `lane` from now on, unless the window holds something. Two batches in two lanes may arrive in
    /// either order, and the broker would refuse the later one if it came first.
    pub(crate) fn choose_lane(&self, lane: usize) {
        let state = self.state();
        if state.window.is_idle() {
            // Under the lock, so that nothing gets into the queue of the former lane meanwhile.
            self.leaders.set_lane(lane);
        }
    }

    /// Returns the current phase.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        self.state().phase.clone()
    }

    /// Puts off the next position recovery or the next fetch by `delay`, unless a later attempt has begun, which has
    /// a delay of its own.
    pub(crate) fn delay(&self, attempt: Attempt, why: &str, delay: Duration) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            state.not_before = Some(Instant::now() + delay);
            self.progress.update(|progress| why.clone_into(&mut progress.reason));
        }
    }

    /// Resets the partition, because this broker cannot be reached, if it has something to send there in this lane.
    pub(crate) fn unreachable(&self, broker: i32, lane: usize, why: &str, delay: Duration) {
        let mut state = self.state();
        if (self.destination_leader(), self.lane()) == (broker, lane) && state.ready {
            self.reset_now(&mut state, why, Some(delay));
        }
    }

    /// Returns the parameters of the next fetch of the session.
    ///
    /// # Errors
    /// Fails with [`NoFetch`] if the fetch must leave the partition out.
    pub(crate) fn fetch_plan(&self) -> Result<FetchPlan, NoFetch> {
        if self.catching_up.is_set() { Err(NoFetch::NotRunning) } else { self.catch_up_plan() }
    }

    /// Returns the parameters of the next fetch, for the catch-up that fetches in place of the session.
    ///
    /// # Errors
    /// Fails with [`NoFetch`] if nothing must be fetched.
    pub(crate) fn catch_up_plan(&self) -> Result<FetchPlan, NoFetch> {
        let state = self.state();
        let window = &state.window;
        // Without a destination leader, no appender would send what is fetched.
        if state.phase != Phase::Running
            || window.fails_after_drain.is_some()
            || state.bounds.gap.is_some()
            || !state.truncation.is_settled()
            || self.destination_leader() < 0
            || self.is_asking(&state)
        {
            return Err(NoFetch::NotRunning);
        }
        if state.not_before.is_some_and(|moment| moment > Instant::now()) {
            return Err(NoFetch::NotRunning);
        }
        if window.bytes >= self.window_bytes || self.budget.is_spent() || self.shaping.is_set() {
            return Err(NoFetch::NoRoom);
        }
        Ok(FetchPlan {
            offset: window.next_fetch,
            last_fetched_epoch: window.last_fetched_epoch,
            attempt: window.attempt,
        })
    }

    /// Returns the timestamp of the last real record queued, for filler that follows it; -1 if there is none.
    #[must_use]
    pub(crate) fn last_timestamp(&self) -> i64 {
        self.state().window.last_timestamp
    }

    /// Queues what a fetch brought, and wakes the appender.
    ///
    /// Data of an earlier attempt, or data that no longer fits, is dropped: it will be fetched again.
    pub(crate) fn fetched(self: &Arc<Self>, plan: FetchPlan, run: ShapeOutput) {
        let mut state = self.state();
        // While the source leader moves, two fetchers may ask for the same offset: the second answer is
        // dropped.
        let wanted = state.window.attempt == plan.attempt && state.window.next_fetch == plan.offset;
        if !wanted || state.phase != Phase::Running {
            return;
        }
        match state.window.push(run) {
            Ok(bytes) => self.budget.take(bytes),
            Err(broken) => return self.give_up(&mut state, illegal(&broken)),
        }
        self.fail_when_drained(&mut state);
        self.wake_appender(&mut state, Instant::now());
    }

    /// Puts the partition into the ready queue of its destination leader and lane if there is something to send
    /// and it is not there yet. Call it after each change of the window that may allow a batch to be sent.
    fn wake_appender(self: &Arc<Self>, state: &mut PartitionState, now: Instant) {
        if state.window.may_send(now) && !std::mem::replace(&mut state.ready, true) {
            self.wakes.ready.push(Arc::clone(self));
        }
    }

    /// Returns the next batch to send to `broker` in this lane, and whether more are queued behind it. Returns
    /// `None` if there is nothing to send, or if another broker leads or another lane is used by now.
    #[must_use]
    pub(crate) fn take_batch(&self, broker: i32, lane: usize) -> Option<(Sending, bool)> {
        let mut state = self.state();
        if (self.destination_leader(), self.lane()) != (broker, lane) {
            // A stale entry in the queue of the former leader or lane. The `ready` flag belongs to the queue of
            // the current one.
            return None;
        }
        if !matches!(state.phase, Phase::Running | Phase::Frozen) {
            state.ready = false;
            return None;
        }
        let now = Instant::now();
        if state.window.is_outdated(now) {
            let why = "no append for an hour: the append position is read again first";
            self.reset_now(&mut state, why, None);
            return None;
        }
        let Some(batch) = state.window.take(self.id.producer_id, now) else {
            state.ready = false;
            return None;
        };
        let more = state.window.may_send(now);
        state.ready = more;
        let on_the_way = self.progress.on_the_way().send(broker, &self.wakes.attention);
        Some((Sending { batch, attempt: state.window.attempt, on_the_way }, more))
    }

    /// Acknowledges the batch that was sent for offset `intended` and that the broker appended at `landed`.
    /// Wakes the appender if it can send something now.
    pub(crate) fn appended(self: &Arc<Self>, attempt: Attempt, intended: i64, landed: i64) {
        let mut state = self.state();
        if state.window.attempt != attempt || matches!(state.phase, Phase::Failed(_)) {
            return;
        }
        let now = Instant::now();
        let bytes = match state.window.acknowledge(intended, landed, now) {
            Ok(bytes) => bytes,
            Err(broken) => return self.give_up(&mut state, illegal(&broken)),
        };
        self.budget.give_back(bytes);
        state.consecutive_resets = 0;
        state.refusals.settled();
        let log_end = state.window.acknowledged;
        self.fail_when_drained(&mut state);
        self.wake_appender(&mut state, now);
        drop(state);
        self.progress.update(|progress| {
            progress.log_end_offset = log_end;
            progress.filling = progress.filling.filter(|filling| log_end < filling.to);
            progress.appended_batches += 1;
            progress.appended_bytes = progress.appended_bytes.saturating_add_unsigned(bytes as u64);
        });
    }

    /// Returns the destination's log end offset as far as acknowledged; `None` while it is not known.
    #[must_use]
    pub(crate) fn acknowledged(&self) -> Option<i64> {
        let acknowledged = self.state().window.acknowledged;
        (acknowledged >= 0).then_some(acknowledged)
    }

    fn fail_when_drained(&self, state: &mut PartitionState) {
        if state.window.is_idle()
            && let Some(failure) = state.window.fails_after_drain.take()
        {
            self.give_up(state, failure);
        }
    }

    fn give_up(&self, state: &mut PartitionState, failure: PartitionFailure) {
        self.abandon_window(state);
        self.progress.update(|progress| {
            progress.reason.clone_from(&failure.reason);
            progress.failed = true;
        });
        state.phase = Phase::Failed(failure);
        self.wakes.attention.notify_one();
    }

    fn abandon_window(&self, state: &mut PartitionState) {
        self.budget.give_back(state.window.abandon());
        state.ready = false;
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let bytes = self.state().window.bytes;
        self.budget.give_back(bytes);
    }
}

fn illegal(broken: &Broken) -> PartitionFailure {
    PartitionFailure { error: MirrorError::IllegalState, reason: broken.to_string() }
}

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
