//! Bounds the memory for frames that are held whole: one budget for each direction, shared by all sessions.
//!
//! A frame is charged as it arrives, so a size that is only claimed costs nothing. A session that finds the
//! budget spent waits, which stops the reading of its connection. Nothing fails. One session at a time may
//! exceed the budget (the *overdraft*). So frames that have each arrived in part cannot block each other for
//! ever, and a frame larger than the whole budget passes alone. The sifting of batches ([`crate::gateway::frame::strip_budget`])
//! has an overdraft of its own, for one batch at a time. So memory is bounded by the budget, one frame, and
//! the memory for sifting one batch.
//!
//! An eighth of the budget is the *lane* ([`reserve`]). Only connections that hold little use it, and each
//! address gets at most a quarter of it. So small frames pass while large frames have spent the rest. No
//! session waits for long: memory is reclaimed from the connections that have held the most for the longest
//! ([`reclaim`]).
//!
//! There are two budgets, because a request that is held may wait for the responses before it. So requests
//! must never hold the memory that responses need. A [`BudgetPermit`] gives its bytes back when it is dropped.

pub(crate) mod reclaim;
pub(crate) mod reserve;
/// The budgets of the two directions.
#[derive(Debug, Clone)]
pub(crate) struct Budgets {
    pub(crate) requests: Budget,
    pub(crate) responses: Budget,
}

#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::gateway::budget::reserve::{InLane, Lane};
use crate::gateway::clock::{GatewayClock, Micros};

/// Budget of bytes that all sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<BudgetInner>);

#[derive(Debug)]
struct BudgetInner {
    ticks: GatewayClock,
    /// Budget without the lane.
    pool: Arc<Semaphore>,
    pool_bytes: usize,
    lane: Lane,
    overdraft: Arc<Semaphore>,
    look_overdraft: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Signals that a session has begun to wait.
    awaited: Notify,
    /// Sessions that wait, the longest-waiting first.
    queue: Mutex<BTreeMap<u64, Waiter>>,
    /// Next number of a waiter or a hold.
    numbers: AtomicU64,
    in_use: Gauge,
    waiters: Gauge,
}

#[derive(Debug, Clone, Copy)]
struct Waiter {
    since: Micros,
    bytes: usize,
}

impl Budget {
    /// Creates a budget of `bytes`. The gauges follow the bytes in use and the number of sessions that wait.
    pub(crate) fn new(bytes: usize, ticks: GatewayClock, in_use: Gauge, waiters: Gauge) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let lane = Lane::of_a_budget(bytes);
        let pool_bytes = bytes - lane.bytes();
        Budget(Arc::new(BudgetInner {
            ticks,
            pool: Arc::new(Semaphore::new(pool_bytes)),
            pool_bytes,
            lane,
            overdraft: Arc::new(Semaphore::new(1)),
            look_overdraft: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            awaited: Notify::new(),
            queue: Mutex::default(),
            numbers: AtomicU64::new(0),
            in_use,
            waiters,
        }))
    }

    /// Returns true if any session waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Relaxed) > 0
    }

    /// Waits until a session waits. For one caller at a time.
    pub(crate) async fn awaited(&self) {
        while !self.is_awaited() {
            self.0.awaited.notified().await;
        }
    }

    /// Returns an empty budget permit. `holder` is the side of a connection that it will belong to.
    pub(crate) fn hold(&self, holder: &Arc<Holder>) -> BudgetPermit {
        self.hold_beyond(holder, &self.0.overdraft)
    }

    /// Returns an empty budget permit for sifting a batch, which has an overdraft of its own. A caller that
    /// waits for such a permit must need nothing else afterwards. Then each sifting ends, whatever frames
    /// wait for.
    pub(crate) fn hold_for_look(&self, holder: &Arc<Holder>) -> BudgetPermit {
        self.hold_beyond(holder, &self.0.look_overdraft)
    }

    fn hold_beyond(&self, holder: &Arc<Holder>, beyond: &Arc<Semaphore>) -> BudgetPermit {
        BudgetPermit {
            budget: self.clone(),
            holder: Arc::clone(holder),
            number: self.0.numbers.fetch_add(1, Relaxed),
            bytes: 0,
            permit: None,
            lane: None,
            beyond: Arc::clone(beyond),
            overdraft: None,
        }
    }

    fn wait(&self, bytes: usize) -> BudgetWaiter<'_> {
        let _ = self.0.waiting.fetch_add(1, Relaxed);
        self.0.awaited.notify_one();
        let _ = self.0.waiters.inc();
        let ticket = self.0.numbers.fetch_add(1, Relaxed);
        let _ = self.queue().insert(ticket, Waiter { since: self.0.ticks.now(), bytes });
        BudgetWaiter(self, ticket)
    }

    fn queue(&self) -> parking_lot::MutexGuard<'_, BTreeMap<u64, Waiter>> {
        self.0.queue.lock()
    }
}

/// Session that waits. It counts as waiting until this is dropped.
struct BudgetWaiter<'a>(&'a Budget, u64);

impl Drop for BudgetWaiter<'_> {
    fn drop(&mut self) {
        let BudgetWaiter(budget, ticket) = self;
        let _ = budget.queue().remove(ticket);
        let _ = budget.0.waiting.fetch_sub(1, Relaxed);
        let _ = budget.0.waiters.dec();
    }
}

/// One side of a connection: the bytes that it holds, and the start time of each of its holds. Giving back
/// one hold does not make the others younger. Otherwise a client could keep its memory by giving back a byte
/// now and then.
#[derive(Debug)]
pub(crate) struct Holder {
    address: IpAddr,
    bytes: AtomicUsize,
    /// Few: one for the frame that is being read, and one for each due response that takes memory.
    holds: Mutex<Vec<HeldBytes>>,
}

#[derive(Debug, Clone, Copy)]
struct HeldBytes {
    number: u64,
    bytes: usize,
    since: Micros,
}

impl Holder {
    /// Creates a holder for a client at this address.
    pub(crate) fn new(address: IpAddr) -> Arc<Self> {
        Arc::new(Holder { address, bytes: AtomicUsize::new(0), holds: Mutex::default() })
    }

    fn grown(&self, number: u64, more: usize, now: Micros) {
        let _ = self.bytes.fetch_add(more, Relaxed);
        let mut holds = self.holds();
        match holds.iter_mut().find(|held| held.number == number) {
            Some(held) => held.bytes += more,
            None => holds.push(HeldBytes { number, bytes: more, since: now }),
        }
    }

    fn given_back(&self, number: u64, bytes: usize) {
        let _ = self.bytes.fetch_sub(bytes, Relaxed);
        let mut holds = self.holds();
        let Some(at) = holds.iter().position(|held| held.number == number) else { return };
        holds[at].bytes = holds[at].bytes.saturating_sub(bytes);
        if holds[at].bytes == 0 {
            let _ = holds.swap_remove(at);
        }
        // There are many idle connections, so an empty list keeps no memory.
        if holds.is_empty() {
            *holds = Vec::new();
        }
    }

    fn holds(&self) -> parking_lot::MutexGuard<'_, Vec<HeldBytes>> {
        self.holds.lock()
    }
}

/// Budget permit of one frame.
#[derive(Debug)]
pub(crate) struct BudgetPermit {
    budget: Budget,
    holder: Arc<Holder>,
    number: u64,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes in the lane. `permit` does not include them.
    lane: Option<InLane>,
    /// Semaphore of the overdraft. Its one permit lets a hold exceed the budget.
    beyond: Arc<Semaphore>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl BudgetPermit {
    pub(crate) fn is_used(&self) -> bool {
        self.bytes > 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits until the hold has `bytes` in total. Cancelling keeps what was held before.
    pub(crate) async fn grow_to(&mut self, bytes: usize) {
        if !self.try_grow_to(bytes) {
            self.wait_for(bytes).await;
            self.grown_to(bytes);
        }
    }

    /// Grows the hold to `bytes` in total if they are free now. Returns true on success.
    pub(crate) fn try_grow_to(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        if self.overdraft.is_none() {
            match Arc::clone(&self.budget.0.pool).try_acquire_many_owned(self.of_the_pool(bytes)) {
                Ok(permit) => self.keep(permit),
                Err(_) => match self.budget.0.lane.try_take(&self.holder, bytes - self.bytes) {
                    Some(taken) => self.keep_in_lane(taken),
                    None => return false,
                },
            }
        }
        self.grown_to(bytes);
        true
    }

    /// Returns the number of bytes to take from the pool so that it covers all `bytes`. Bytes in the lane
    /// move to the pool.
    fn of_the_pool(&self, bytes: usize) -> u32 {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(bytes - held).unwrap_or(u32::MAX)
    }

    fn grown_to(&mut self, bytes: usize) {
        let more = bytes - self.bytes;
        self.holder.grown(self.number, more, self.budget.0.ticks.now());
        self.bytes = bytes;
        let _ = self.budget.0.in_use.inc_by(i64::try_from(more).unwrap_or(i64::MAX));
    }

    async fn wait_for(&mut self, bytes: usize) {
        let budget = self.budget.clone();
        let _waiting = budget.wait(bytes - self.bytes);
        let inner = &budget.0;
        let pool = Arc::clone(&inner.pool).acquire_many_owned(self.of_the_pool(bytes));
        let (holder, beyond) = (Arc::clone(&self.holder), Arc::clone(&self.beyond).acquire_owned());
        // None of the semaphores is ever closed.
        tokio::select! {
            biased;
            permit = pool => if let Ok(permit) = permit {
                self.keep(permit);
            },
            taken = inner.lane.take(&holder, bytes - self.bytes) => self.keep_in_lane(taken),
            overdraft = beyond => self.overdraft = overdraft.ok(),
        }
    }

    /// Gives back all but `bytes`. Bytes in the lane or in the overdraft go first, and only all of them
    /// together.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            return;
        }
        let of_the_pool = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if bytes <= of_the_pool {
            (self.lane, self.overdraft) = (None, None);
            drop(self.permit.as_mut().and_then(|permit| permit.split(of_the_pool - bytes)));
        }
        self.given_back(self.bytes - bytes);
    }

    fn given_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.holder.given_back(self.number, bytes);
        let _ = self.budget.0.in_use.dec_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        self.lane = None;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }

    fn keep_in_lane(&mut self, taken: InLane) {
        match &mut self.lane {
            Some(held) => held.merge(taken),
            None => self.lane = Some(taken),
        }
    }
}

impl Drop for BudgetPermit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.given_back(self.bytes);
        }
    }
}
