//! What a connection does and since when it has not: written by its IO, judged by [`Activity::overdue`].
//!
//! All of it is single numbers, so that the judge, the registry and the two directions need no lock.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use super::budget::{Budget, Holder};
use super::error::SessionError;
use super::options::Limits;
use super::ticks::{Micros, Ticks, micros};

/// A request may take longer to arrive the larger it is: a second more for so many bytes.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Nothing for so long, and a connection may have to make room for a new one: longer than the way to a far client and
/// back.
const QUIET: Duration = Duration::from_secs(1);

/// The budgets of the two directions.
#[derive(Debug, Clone)]
pub(super) struct Budgets {
    pub(super) requests: Budget,
    pub(super) responses: Budget,
}

/// What is going on with a connection.
#[derive(Debug)]
pub(super) struct Activity {
    ticks: Ticks,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// When a byte went either way last, on the client's side.
    moved: AtomicU64,
    frame: Frame,
    /// Since when the client has taken nothing of what it is sent; 0 while nothing is to be sent.
    client_blocked: AtomicU64,
    /// The same of the broker.
    broker_blocked: AtomicU64,
    due: AtomicUsize,
    pub(super) requests_held: Arc<Holder>,
    pub(super) responses_held: Arc<Holder>,
    /// The memory that the connection holds is taken back.
    is_reclaimed: AtomicBool,
    /// Somebody needs what the connection has.
    needed: Notify,
}

/// The request that is arriving.
#[derive(Debug, Default)]
struct Frame {
    /// Some of it has come.
    begun: AtomicBool,
    arrived: AtomicU64,
    /// How long the client has been waited for since it began.
    waited: AtomicU64,
    /// Since when it is being waited for; 0 while it is not.
    waiting_since: AtomicU64,
}

impl Activity {
    pub(super) fn new(ticks: Ticks, address: IpAddr) -> Self {
        Activity {
            ticks,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            moved: AtomicU64::new(ticks.now()),
            frame: Frame::default(),
            client_blocked: AtomicU64::new(0),
            broker_blocked: AtomicU64::new(0),
            due: AtomicUsize::new(0),
            requests_held: Holder::new(address),
            responses_held: Holder::new(address),
            is_reclaimed: AtomicBool::new(false),
            needed: Notify::new(),
        }
    }

    /// Bytes from the client, and to it.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in.load(Relaxed), self.bytes_out.load(Relaxed))
    }

    /// The client was asked for bytes and has none now.
    pub(super) fn client_waited_for(&self) {
        begin(&self.frame.waiting_since, self.ticks);
    }

    /// Bytes came from the client.
    pub(super) fn arrived(&self, bytes: u64) {
        let now = self.ticks.now();
        let waiting_since = self.frame.waiting_since.swap(0, Relaxed);
        if bytes == 0 {
            return;
        }
        let _ = self.bytes_in.fetch_add(bytes, Relaxed);
        self.moved.store(now, Relaxed);
        if self.frame.begun.swap(true, Relaxed) {
            let _ = self.frame.arrived.fetch_add(bytes, Relaxed);
            if waiting_since > 0 {
                let _ = self.frame.waited.fetch_add(now.saturating_sub(waiting_since), Relaxed);
            }
        } else {
            self.frame.arrived.store(bytes, Relaxed);
            self.frame.waited.store(0, Relaxed);
        }
    }

    /// A request has been read; `buffered` bytes behind it have come already.
    pub(super) fn request_read(&self, buffered: usize) {
        self.frame.begun.store(buffered > 0, Relaxed);
        self.frame.arrived.store(buffered as u64, Relaxed);
        self.frame.waited.store(0, Relaxed);
    }

    /// Something is to be sent and the peer takes nothing now.
    pub(super) fn blocked(&self, peer: Peer) {
        begin(self.blocked_since(peer), self.ticks);
    }

    /// The peer took something.
    pub(super) fn taken(&self, peer: Peer, bytes: usize) {
        self.blocked_since(peer).store(0, Relaxed);
        if peer == Peer::Client && bytes > 0 {
            let _ = self.bytes_out.fetch_add(bytes as u64, Relaxed);
            self.moved.store(self.ticks.now(), Relaxed);
        }
    }

    fn blocked_since(&self, peer: Peer) -> &AtomicU64 {
        match peer {
            Peer::Client => &self.client_blocked,
            Peer::Broker => &self.broker_blocked,
        }
    }

    /// One more response is due; one less when the answer is dropped.
    pub(super) fn response_due(&self) {
        let _ = self.due.fetch_add(1, Relaxed);
    }

    /// It has been given, or never will be.
    pub(super) fn response_done(&self) {
        let _ = self.due.fetch_sub(1, Relaxed);
    }

    /// Has the connection closed, for what it holds.
    pub(super) fn reclaim(&self) {
        self.is_reclaimed.store(true, Relaxed);
        self.needed.notify_one();
    }

    /// Has the connection closed, if it is still quiet when it learns of that.
    pub(super) fn give_way(&self) {
        self.needed.notify_one();
    }

    /// Waits for [`Activity::reclaim`] or [`Activity::give_way`].
    pub(super) async fn called_off(&self) -> SessionError {
        loop {
            self.needed.notified().await;
            if self.is_reclaimed.load(Relaxed) {
                return SessionError::MemoryReclaimed;
            }
            if self.quiet_since().is_some() {
                return SessionError::GaveWay;
            }
        }
    }

    /// Since when nothing has moved, where that is a while ago and neither side waits for anything.
    pub(super) fn quiet_since(&self) -> Option<Micros> {
        let moved = self.moved.load(Relaxed);
        let is_quiet = self.owes_nothing() && self.ticks.now().saturating_sub(moved) >= micros(QUIET);
        is_quiet.then_some(moved)
    }

    /// No request has begun, and no response is due.
    fn owes_nothing(&self) -> bool {
        !self.frame.begun.load(Relaxed) && self.due.load(Relaxed) == 0
    }

    /// What the connection has to be closed for now, if anything.
    pub(super) fn overdue(&self, limits: &Limits) -> Option<SessionError> {
        let now = self.ticks.now();
        let for_so_long = |since: Micros, limit| since > 0 && now.saturating_sub(since) > micros(limit);
        if self.is_request_late(now, limits) {
            return Some(SessionError::SlowRequest);
        }
        if for_so_long(self.client_blocked.load(Relaxed), limits.stall_timeout) {
            return Some(SessionError::SlowReader);
        }
        if for_so_long(self.broker_blocked.load(Relaxed), limits.stall_timeout) {
            return Some(SessionError::BrokerStalled);
        }
        if self.owes_nothing() && for_so_long(self.moved.load(Relaxed), limits.idle_timeout) {
            return Some(SessionError::Idle);
        }
        None
    }

    fn is_request_late(&self, now: Micros, limits: &Limits) -> bool {
        if !self.frame.begun.load(Relaxed) {
            return false;
        }
        let waiting = match self.frame.waiting_since.load(Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        };
        let waited = self.frame.waited.load(Relaxed).saturating_add(waiting);
        let allowance = self.frame.arrived.load(Relaxed).saturating_mul(1_000_000) / SLOWEST_BYTES_PER_SECOND;
        waited > micros(limits.request_arrival_timeout).saturating_add(allowance)
    }
}

/// Whom the gateway writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Broker,
}

fn begin(since: &AtomicU64, ticks: Ticks) {
    if since.load(Relaxed) == 0 {
        since.store(ticks.now(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn setup() -> (Activity, Limits) {
        (Activity::new(Ticks::start(), [127, 0, 0, 1].into()), Limits::default())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_too_slow_and_a_slow_line_is_not() {
        let (activity, limits) = setup();
        let step = |bytes| {
            activity.client_waited_for();
            let activity = &activity;
            async move {
                advance(SECOND).await;
                activity.arrived(bytes);
            }
        };
        activity.arrived(1);
        for _ in 0..60 {
            assert!(activity.overdue(&limits).is_none());
            step(1).await;
        }
        step(1).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::SlowRequest)));

        activity.request_read(0);
        activity.arrived(1);
        for _ in 0..1_000 {
            step(20 * 1024).await;
            assert!(activity.overdue(&limits).is_none(), "20 KiB a second are not too slow");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_is_who_owes_nothing_and_is_owed_nothing() {
        let (activity, limits) = setup();
        activity.arrived(10);
        activity.response_due();
        activity.request_read(0);
        advance(2 * limits.idle_timeout).await;
        assert!(activity.overdue(&limits).is_none(), "a response is due");
        activity.taken(Peer::Client, 10);
        activity.response_done();
        advance(limits.idle_timeout - SECOND).await;
        assert!(activity.overdue(&limits).is_none());
        advance(2 * SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_no_slow_reader() {
        let (activity, limits) = setup();
        for _ in 0..100 {
            activity.blocked(Peer::Client);
            advance(limits.stall_timeout - SECOND).await;
            assert!(activity.overdue(&limits).is_none());
            activity.taken(Peer::Client, 1);
        }
        activity.blocked(Peer::Client);
        advance(limits.stall_timeout + SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::SlowReader)));
        activity.taken(Peer::Client, 1);
        activity.blocked(Peer::Broker);
        advance(limits.stall_timeout + SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::BrokerStalled)));
    }
}
