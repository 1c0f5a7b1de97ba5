//! Memory for frames that must be held whole: one budget for each direction, for all sessions together.
//!
//! A frame is charged as it arrives, so a size that is only claimed costs nothing. Who finds the budget spent waits,
//! which stops the reading of that connection; nothing fails. One session at a time may go beyond the budget (the
//! *overdraft*): frames that are each a part of the way in can therefore not lock each other out, and a frame larger
//! than the whole budget passes alone. What looking into a batch takes has an overdraft of its own, for one look. So
//! memory is bounded by the budget, one frame and one look.
//!
//! An eighth of the budget is the *lane*: only connections that hold little use it, each address at most a quarter of it. So small
//! frames pass while large ones have spent the rest. And nobody waits for long: memory is taken back from those that have held most
//! of it for longest ([`reclaim`]).
//!
//! Two budgets, because a request that is held may wait for the responses before it: what responses need must never be in
//! the hands of requests. [`Hold`]s give back what they have when they are dropped.

mod lane;
pub(super) mod reclaim;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::ticks::{Micros, Ticks};
use lane::{InLane, Lane};

/// Bytes that sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ticks: Ticks,
    /// The budget without the lane.
    pool: Arc<Semaphore>,
    pool_bytes: usize,
    lane: Lane,
    overdraft: Arc<Semaphore>,
    look_overdraft: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Somebody has begun to wait.
    awaited: Notify,
    /// Those who wait, the longest first.
    queue: Mutex<BTreeMap<u64, Waiter>>,
    /// The next number of a waiter or a hold.
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
    /// A budget of `bytes`; the gauges follow what is in use, and how many sessions wait.
    pub(super) fn new(bytes: usize, ticks: Ticks, in_use: Gauge, waiters: Gauge) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let lane = Lane::of_a_budget(bytes);
        let pool_bytes = bytes - lane.bytes();
        Budget(Arc::new(Inner {
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

    /// Whether anybody waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Relaxed) > 0
    }

    /// Waits until somebody waits. For one caller at a time.
    pub(super) async fn awaited(&self) {
        while !self.is_awaited() {
            self.0.awaited.notified().await;
        }
    }

    /// Holds nothing yet. `holder` is the side of a connection that it will belong to.
    pub(super) fn hold(&self, holder: &Arc<Holder>) -> Hold {
        self.hold_beyond(holder, &self.0.overdraft)
    }

    /// The same for what looking into a batch takes: there is an overdraft for one look. Whoever waits for this must
    /// need nothing else afterwards: then each look ends, whatever frames wait for.
    pub(super) fn hold_for_look(&self, holder: &Arc<Holder>) -> Hold {
        self.hold_beyond(holder, &self.0.look_overdraft)
    }

    fn hold_beyond(&self, holder: &Arc<Holder>, beyond: &Arc<Semaphore>) -> Hold {
        Hold {
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

    fn wait(&self, bytes: usize) -> Waiting<'_> {
        let _ = self.0.waiting.fetch_add(1, Relaxed);
        self.0.awaited.notify_one();
        let _ = self.0.waiters.inc();
        let ticket = self.0.numbers.fetch_add(1, Relaxed);
        let _ = self.queue().insert(ticket, Waiter { since: self.0.ticks.now(), bytes });
        Waiting(self, ticket)
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Waiter>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that waits, counted until it is dropped.
struct Waiting<'a>(&'a Budget, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Waiting(budget, ticket) = self;
        let _ = budget.queue().remove(ticket);
        let _ = budget.0.waiting.fetch_sub(1, Relaxed);
        let _ = budget.0.waiters.dec();
    }
}

/// One side of a connection: what it holds, and each of its holds with its beginning. A hold that is given back says
/// nothing of the others: who gives back a byte now and then has the rest for as long.
#[derive(Debug)]
pub(super) struct Holder {
    address: IpAddr,
    bytes: AtomicUsize,
    /// Few: one for what is being read, and one for each answer that is due and takes memory.
    holds: Mutex<Vec<Held>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    number: u64,
    bytes: usize,
    since: Micros,
}

impl Holder {
    /// Of a client at this address.
    pub(super) fn new(address: IpAddr) -> Arc<Self> {
        Arc::new(Holder { address, bytes: AtomicUsize::new(0), holds: Mutex::default() })
    }

    fn grown(&self, number: u64, more: usize, now: Micros) {
        let _ = self.bytes.fetch_add(more, Relaxed);
        let mut holds = self.holds();
        match holds.iter_mut().find(|held| held.number == number) {
            Some(held) => held.bytes += more,
            None => holds.push(Held { number, bytes: more, since: now }),
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
        // Idle connections are many.
        if holds.is_empty() {
            *holds = Vec::new();
        }
    }

    fn holds(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one frame takes of a budget.
#[derive(Debug)]
pub(super) struct Hold {
    budget: Budget,
    holder: Arc<Holder>,
    number: u64,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// What the permit is not for.
    lane: Option<InLane>,
    /// Whose one permit lets it go beyond the budget.
    beyond: Arc<Semaphore>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Hold {
    pub(super) fn is_used(&self) -> bool {
        self.bytes > 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits until `bytes` in all are held. Cancelling keeps what was held before.
    pub(super) async fn grow_to(&mut self, bytes: usize) {
        if !self.try_grow_to(bytes) {
            self.wait_for(bytes).await;
            self.grown_to(bytes);
        }
    }

    /// As [`Hold::grow_to`], where there is so much at once; whether there is.
    pub(super) fn try_grow_to(&mut self, bytes: usize) -> bool {
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

    /// What more of the pool is needed to hold `bytes` in all there: what is in the lane moves.
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

    /// Gives back all but `bytes`. What is in the lane or beyond the budget goes first, and as a whole.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
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

impl Drop for Hold {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.given_back(self.bytes);
        }
    }
}
