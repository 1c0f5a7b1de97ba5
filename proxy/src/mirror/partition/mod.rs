//! One partition of a mirror topic: what is fetched, queued, in flight and acknowledged.
//!
//! ```text
//!            register read                   anything unclear (error, lost connection, leader change)
//! Unregistered ──────────► Running ─────────────────────────────────────────────► Unregistered
//!                             │ freeze (promote: drain; failover: abandon)
//!                             ▼
//!                          Frozen            any ──► Failed
//! ```
//!
//! The destination log is the checkpoint: whenever something is unclear, all that is queued is dropped and the register
//! is read again. `attempt` counts those restarts, so that an answer to an earlier attempt changes nothing.
//!
//! Promises: batches leave in offset order without gap or overlap (`batch-is-next`), and the bytes held never exceed the
//! window by more than one fetch.

mod bounds;
mod epochs;
mod leaders;
mod origin;
mod refused;
mod registering;
mod shaping;
mod stopping;
mod terms;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use state::invariant::Broken;
use state::model::MirrorError;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::ByteBudget;
use super::lane::own_lane;
use super::progress::ProgressCell;
use super::shape::ShapedRun;

use bounds::Bounds;
use leaders::Leaders;
use origin::Origin;
pub use refused::RecordsRefused;
use refused::Refusals;
pub use shaping::Shaping;
use shaping::ShapingFlag;
pub use terms::{Failure, FetchPlan, Gap, Identity, NoFetch, Phase, Register, Sending};
use window::Window;

#[derive(Debug)]
struct State {
    phase: Phase,
    window: Window,
    fenced: bool,
    closing: bool,
    bounds: Bounds,
    origin: Origin,
    refusals: Refusals,
    /// In the appender's queue of partitions that have something to send.
    ready: bool,
    /// Not before this moment is the register read again, or the next fetch made.
    not_before: Option<Instant>,
    consecutive_resets: u32,
}

/// One partition. Shared by the fetcher of its source leader and the appender of its destination leader.
#[derive(Debug)]
pub struct Partition {
    /// What never changes.
    pub id: Identity,
    /// What others see of it.
    pub progress: ProgressCell,
    leaders: Leaders,
    window_bytes: usize,
    budget: Arc<ByteBudget>,
    attention: Arc<Notify>,
    shaping: ShapingFlag,
    state: Mutex<State>,
}

impl Partition {
    /// A partition whose register is still to be read. `window_bytes` bounds what it holds between fetch and append,
    /// `budget` what all partitions hold together. `attention` is notified when the partition needs its owner.
    #[must_use]
    pub fn new(
        id: Identity,
        progress: ProgressCell,
        window_bytes: usize,
        budget: Arc<ByteBudget>,
        attention: Arc<Notify>,
    ) -> Self {
        Partition {
            leaders: Leaders::unknown(own_lane(&id.topic, id.index)),
            id,
            progress,
            window_bytes,
            budget,
            attention,
            shaping: ShapingFlag::default(),
            state: Mutex::new(State {
                phase: Phase::Unregistered,
                window: Window::new(),
                fenced: false,
                closing: false,
                bounds: Bounds::default(),
                origin: Origin::default(),
                refusals: Refusals::default(),
                ready: false,
                not_before: None,
                consecutive_resets: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leader and its epoch on the source; -1 when not known.
    #[must_use]
    pub fn source_leader(&self) -> (i32, i32) {
        self.leaders.source()
    }

    /// Records the leader on the source.
    pub fn set_source_leader(&self, leader: i32, epoch: i32) {
        self.leaders.set_source(leader, epoch);
    }

    /// Leader on the destination; -1 when not known.
    #[must_use]
    pub fn destination_leader(&self) -> i32 {
        self.leaders.destination()
    }

    /// Records the leader on the destination. A change starts the partition anew: appends on the way to the old leader
    /// are not accounted for.
    pub fn set_destination_leader(&self, leader: i32) {
        let before = self.leaders.set_destination(leader);
        if before != leader && before != -1 {
            self.reset("the destination leader moved", None);
        } else if before != leader {
            self.attention.notify_one();
        }
    }

    /// Which of the lanes to the destination leader it takes.
    #[must_use]
    pub fn lane(&self) -> usize {
        self.leaders.lane()
    }

    /// Takes `lane` from now on, unless something of it is under way on another: two batches in two lanes may arrive in either order,
    /// and the broker would refuse the later one that came first.
    pub fn choose_lane(&self, lane: usize) {
        if self.state().window.is_idle() {
            self.leaders.set_lane(lane);
        }
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state().phase.clone()
    }

    /// The present attempt.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.state().window.attempt
    }

    /// [`Partition::reset`], unless a later attempt has begun already.
    pub fn reset_attempt(&self, attempt: u64, why: &str, delay: Option<Duration>) {
        if self.attempt() == attempt {
            self.reset(why, delay);
        }
    }

    /// Something is unclear: drops all that is queued, so that the register is read anew (not before `delay` has passed).
    /// A freeze ends with it: whoever froze the partition sees that and starts again.
    pub fn reset(&self, why: &str, delay: Option<Duration>) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Failed(_)) {
            return;
        }
        self.budget.give_back(state.window.restart());
        state.bounds.gap = None;
        state.ready = false;
        state.consecutive_resets = state.consecutive_resets.saturating_add(1);
        state.phase = Phase::Unregistered;
        let pause = delay.unwrap_or_default() + backoff(state.consecutive_resets);
        state.not_before = Some(Instant::now() + pause);
        drop(state);
        self.progress.update(|progress| {
            why.clone_into(&mut progress.reason);
            progress.restarts += 1;
        });
        self.attention.notify_one();
    }

    /// Puts off the next reading of the register, or the next fetch.
    pub fn delay(&self, why: &str, delay: Duration) {
        self.state().not_before = Some(Instant::now() + delay);
        self.progress.update(|progress| why.clone_into(&mut progress.reason));
    }

    /// What the next fetch should ask for.
    ///
    /// # Errors
    /// [`NoFetch`] when the partition should be left out.
    pub fn fetch_plan(&self) -> Result<FetchPlan, NoFetch> {
        let state = self.state();
        let window = &state.window;
        // What is fetched must have somewhere to go.
        if state.phase != Phase::Running
            || window.fails_after_drain.is_some()
            || state.bounds.gap.is_some()
            || !state.origin.is_settled()
            || self.destination_leader() < 0
        {
            return Err(NoFetch::NotRunning);
        }
        if state.not_before.is_some_and(|moment| moment > Instant::now()) {
            return Err(NoFetch::NotRunning);
        }
        if window.bytes >= self.window_bytes || self.budget.is_spent() || self.shaping.is_set() {
            return Err(NoFetch::WindowFull);
        }
        Ok(FetchPlan {
            offset: window.next_fetch,
            last_fetched_epoch: window.last_fetched_epoch,
            attempt: window.attempt,
        })
    }

    /// Timestamp of the last real record queued, for filler that follows it; -1 when there is none.
    #[must_use]
    pub fn last_timestamp(&self) -> i64 {
        self.state().window.last_timestamp
    }

    /// Takes what a fetch brought. Returns true when the appender must be told that there is something to send.
    ///
    /// What belongs to an earlier attempt, or no longer fits, is dropped: it will be fetched again.
    #[must_use]
    pub fn fetched(&self, plan: FetchPlan, run: ShapedRun) -> bool {
        let mut state = self.state();
        // While the source leader moves, two fetchers may ask for the same offset: the second answer comes too late.
        let wanted = state.window.attempt == plan.attempt && state.window.next_fetch == plan.offset;
        if !wanted || state.phase != Phase::Running {
            return false;
        }
        match state.window.push(run) {
            Ok(bytes) => self.budget.take(bytes),
            Err(broken) => {
                self.give_up(&mut state, illegal(&broken));
                return false;
            }
        }
        self.fail_when_drained(&mut state);
        state.window.may_send(Instant::now()) && !std::mem::replace(&mut state.ready, true)
    }

    /// The next batch to send to `broker`, and whether more are queued behind it. `None` when there is nothing to send or
    /// another broker leads by now.
    #[must_use]
    pub fn take_batch(&self, broker: i32) -> Option<(Sending, bool)> {
        let mut state = self.state();
        if self.destination_leader() != broker {
            // A leftover in the queue of the former leader; the flag belongs to the present one.
            return None;
        }
        if !matches!(state.phase, Phase::Running | Phase::Frozen) {
            state.ready = false;
            return None;
        }
        let now = Instant::now();
        if state.window.is_outdated(now) {
            drop(state);
            self.reset("nothing was appended for an hour: the log is looked at first", None);
            return None;
        }
        let Some(batch) = state.window.take(self.id.producer_id, now) else {
            state.ready = false;
            return None;
        };
        let more = state.window.may_send(now);
        state.ready = more;
        let on_the_way = self.progress.on_the_way().send(broker, &self.attention);
        Some((Sending { batch, attempt: state.window.attempt, on_the_way }, more))
    }

    /// The broker accepted the batch for `intended` and says that it stands at `landed`. Returns true when the appender
    /// must be told that there is something to send now.
    #[must_use]
    pub fn appended(&self, attempt: u64, intended: i64, landed: i64) -> bool {
        let mut state = self.state();
        if state.window.attempt != attempt || matches!(state.phase, Phase::Failed(_)) {
            return false;
        }
        let now = Instant::now();
        let bytes = match state.window.acknowledge(intended, landed, now) {
            Ok(bytes) => bytes,
            Err(broken) => {
                self.give_up(&mut state, illegal(&broken));
                return false;
            }
        };
        self.budget.give_back(bytes);
        state.consecutive_resets = 0;
        state.refusals.settled();
        let log_end = state.window.acknowledged;
        self.fail_when_drained(&mut state);
        let ready = state.window.may_send(now) && !std::mem::replace(&mut state.ready, true);
        drop(state);
        self.progress.update(|progress| {
            progress.log_end_offset = log_end;
            progress.filling = progress.filling.filter(|filling| log_end < filling.to);
            progress.appended_batches += 1;
            progress.appended_bytes = progress.appended_bytes.saturating_add_unsigned(bytes as u64);
        });
        ready
    }

    /// Gives up for good. What is fenced has its end and does not fail any more.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.state();
        if !state.fenced && !matches!(state.phase, Phase::Failed(_)) {
            self.give_up(&mut state, failure);
        }
    }

    /// As [`Partition::fail`], unless a later attempt has begun: what was found out before says nothing of it.
    pub fn fail_attempt(&self, attempt: u64, failure: Failure) {
        let mut state = self.state();
        if state.window.attempt == attempt && !state.fenced && !matches!(state.phase, Phase::Failed(_)) {
            self.give_up(&mut state, failure);
        }
    }

    /// Log end on the destination as far as acknowledged, while it is known.
    #[must_use]
    pub fn acknowledged(&self) -> Option<i64> {
        let acknowledged = self.state().window.acknowledged;
        (acknowledged >= 0).then_some(acknowledged)
    }

    fn fail_when_drained(&self, state: &mut State) {
        if state.window.is_idle()
            && let Some(failure) = state.window.fails_after_drain.take()
        {
            self.give_up(state, failure);
        }
    }

    fn give_up(&self, state: &mut State, failure: Failure) {
        self.abandon_window(state);
        self.progress.update(|progress| {
            progress.reason.clone_from(&failure.reason);
            progress.failed = true;
        });
        state.phase = Phase::Failed(failure);
        self.attention.notify_one();
    }

    fn abandon_window(&self, state: &mut State) {
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

fn illegal(broken: &Broken) -> Failure {
    Failure { error: MirrorError::IllegalState, reason: broken.to_string() }
}

/// Delay before the register is read again after `resets` resets without an append between them: 0, then 50 ms doubling
/// up to 2 s.
fn backoff(resets: u32) -> Duration {
    let doublings = resets.saturating_sub(1).min(6);
    let base = if resets <= 1 { 0 } else { 25u64 << doublings };
    Duration::from_millis(base.min(2_000))
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
