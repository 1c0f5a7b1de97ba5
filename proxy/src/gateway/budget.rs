//! Memory for frames that must be held whole: one budget for each direction, for all sessions together.
//!
//! A frame is charged as it arrives, so a size that is only claimed costs nothing. Who finds the budget spent waits, which
//! stops the reading of that connection; nothing fails. One session at a time may go beyond the budget (the *overdraft*):
//! frames that are each a part of the way in can therefore not lock each other out, and a frame larger than the whole
//! budget passes alone. So memory is bounded by the budget and one frame.
//!
//! Two budgets, because a request that is held may wait for the responses before it: what responses need must never be in
//! the hands of requests. [`Hold`]s give back what they have when they are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ticks::{Micros, Ticks};

/// Bytes that sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ticks: Ticks,
    permits: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_since: AtomicU64,
    in_use: Gauge,
    waiters: Gauge,
}

impl Budget {
    /// A budget of `bytes`; the gauges follow what is in use, and how many sessions wait.
    pub(super) fn new(bytes: usize, ticks: Ticks, in_use: Gauge, waiters: Gauge) -> Self {
        let permits = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Budget(Arc::new(Inner {
            ticks,
            permits,
            overdraft: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            waiting_since: AtomicU64::new(0),
            in_use,
            waiters,
        }))
    }

    /// Whether anybody waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting_since() > 0
    }

    /// Since when somebody has been waiting without a break; 0 while nobody does.
    pub(super) fn waiting_since(&self) -> Micros {
        self.0.waiting_since.load(Relaxed)
    }

    /// Holds nothing yet. `clock` tells how long this side of a connection has been holding.
    pub(super) fn hold(&self, clock: &Arc<HoldClock>) -> Hold {
        Hold { budget: self.clone(), clock: Arc::clone(clock), bytes: 0, permit: None, overdraft: None }
    }

    fn wait(&self) -> Waiting<'_> {
        if self.0.waiting.fetch_add(1, Relaxed) == 0 {
            self.0.waiting_since.store(self.0.ticks.now(), Relaxed);
        }
        let _ = self.0.waiters.inc();
        Waiting(self)
    }
}

/// A session that waits, counted until it is dropped.
struct Waiting<'a>(&'a Budget);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.waiting.fetch_sub(1, Relaxed) == 1 {
            inner.waiting_since.store(0, Relaxed);
        }
        let _ = inner.waiters.dec();
    }
}

/// Since when one side of a connection has held memory without giving any back, the time in which it waits for more not
/// counted.
#[derive(Debug, Default)]
pub(super) struct HoldClock {
    holds: AtomicUsize,
    since: AtomicU64,
}

impl HoldClock {
    /// 0 while nothing is held.
    pub(super) fn since(&self) -> Micros {
        self.since.load(Relaxed)
    }

    fn taken(&self, now: Micros) {
        if self.holds.fetch_add(1, Relaxed) == 0 {
            self.since.store(now, Relaxed);
        }
    }

    fn given_back(&self, now: Micros) {
        let last = self.holds.fetch_sub(1, Relaxed) == 1;
        self.since.store(if last { 0 } else { now }, Relaxed);
    }

    /// One of the holds waits for more memory: whose fault that is, is not known. Others go on counting.
    fn paused(&self) {
        if self.holds.fetch_sub(1, Relaxed) == 1 {
            self.since.store(0, Relaxed);
        }
    }
}

/// A hold that waits; its clock goes on when this is dropped.
struct Paused<'a>(&'a HoldClock, Ticks);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.taken(self.1.now());
    }
}

/// What one frame takes of a budget.
#[derive(Debug)]
pub(super) struct Hold {
    budget: Budget,
    clock: Arc<HoldClock>,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Hold {
    pub(super) fn is_used(&self) -> bool {
        self.bytes > 0
    }

    /// Waits until `bytes` in all are held. Cancelling keeps what was held before.
    pub(super) async fn grow_to(&mut self, bytes: usize) {
        if !self.try_grow_to(bytes) {
            let count = u32::try_from(bytes - self.bytes).unwrap_or(u32::MAX);
            self.wait_for(Arc::clone(&self.budget.0.permits), count).await;
            self.grown_to(bytes);
        }
    }

    /// As [`Hold::grow_to`], where there is so much at once; whether there is.
    pub(super) fn try_grow_to(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        if self.overdraft.is_none() {
            let count = u32::try_from(bytes - self.bytes).unwrap_or(u32::MAX);
            match Arc::clone(&self.budget.0.permits).try_acquire_many_owned(count) {
                Ok(permit) => self.keep(permit),
                Err(_) => return false,
            }
        }
        self.grown_to(bytes);
        true
    }

    fn grown_to(&mut self, bytes: usize) {
        if self.bytes == 0 {
            self.clock.taken(self.budget.0.ticks.now());
        }
        let more = bytes - self.bytes;
        self.bytes = bytes;
        let _ = self.budget.0.in_use.inc_by(i64::try_from(more).unwrap_or(i64::MAX));
    }

    async fn wait_for(&mut self, permits: Arc<Semaphore>, count: u32) {
        let (budget, clock) = (self.budget.clone(), Arc::clone(&self.clock));
        let _waiting = budget.wait();
        let _paused = (self.bytes > 0).then(|| {
            clock.paused();
            Paused(&clock, budget.0.ticks)
        });
        // Neither semaphore is ever closed.
        tokio::select! {
            biased;
            permit = permits.acquire_many_owned(count) => if let Ok(permit) = permit {
                self.keep(permit);
            },
            overdraft = Arc::clone(&budget.0.overdraft).acquire_owned() => self.overdraft = overdraft.ok(),
        }
    }

    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.clock.given_back(self.budget.0.ticks.now());
            let _ = self.budget.0.in_use.dec_by(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn budget(bytes: usize) -> Budget {
        Budget::new(bytes, Ticks::start(), Gauge::default(), Gauge::default())
    }

    async fn held(budget: &Budget, bytes: usize) -> Hold {
        let mut hold = budget.hold(&Arc::default());
        hold.grow_to(bytes).await;
        hold
    }

    #[tokio::test]
    async fn a_frame_larger_than_the_budget_passes_alone_and_the_next_one_waits() {
        let budget = budget(100);
        let large = held(&budget, 1_000).await;
        let small = held(&budget, 60).await;
        let mut third = budget.hold(&Arc::default());
        assert!(third.grow_to(60).now_or_never().is_none(), "neither budget nor overdraft is left");
        assert_eq!(budget.0.in_use.get(), 1_060);
        drop(large);
        third.grow_to(60).await;
        drop(small);
        drop(third);
        assert_eq!((budget.0.in_use.get(), budget.0.waiters.get()), (0, 0));
        assert_eq!(budget.0.permits.available_permits(), 100);
    }

    /// Each has half of what it needs and none can get more: without the overdraft nobody would ever go on.
    #[tokio::test]
    async fn frames_that_are_half_way_in_do_not_lock_each_other_out() {
        let budget = budget(100);
        let (mut a, mut b) = (held(&budget, 50).await, held(&budget, 50).await);
        a.grow_to(100).await;
        assert!(b.grow_to(100).now_or_never().is_none());
        a.grow_to(5_000).await;
        drop(a);
        b.grow_to(100).await;
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_no_trace() {
        let budget = budget(10);
        let (_a, _b) = (held(&budget, 10).await, held(&budget, 10).await);
        let mut waiting = budget.hold(&Arc::default());
        let mut growing = Box::pin(waiting.grow_to(5));
        assert!((&mut growing).now_or_never().is_none());
        assert!(budget.waiting_since() > 0);
        assert_eq!(budget.0.waiters.get(), 1);
        drop(growing);
        assert_eq!((budget.waiting_since(), budget.0.waiters.get()), (0, 0));
    }

    #[tokio::test]
    async fn the_hold_clock_runs_from_the_last_time_that_anything_was_given_back() {
        let (budget, clock) = (budget(100), Arc::new(HoldClock::default()));
        let mut first = budget.hold(&clock);
        first.grow_to(10).await;
        let begun = clock.since();
        let mut second = budget.hold(&clock);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        second.grow_to(10).await;
        assert_eq!(clock.since(), begun);
        drop(first);
        assert!(clock.since() > begun);
        drop(second);
        assert_eq!(clock.since(), 0);
    }
}
