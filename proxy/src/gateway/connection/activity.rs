//! Records what a connection does, and since when it does nothing. The reads and writes of the connection
//! update the state, and [`Activity::overdue`] judges it.
//!
//! All state is single numbers, so the judge, the list of connections and the two directions need no lock.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use crate::gateway::budget::Holder;
use crate::gateway::clock::{GatewayClock, Micros, micros};
use crate::gateway::error::SessionError;
use crate::gateway::options::Limits;

/// Minimum rate at which a request must arrive, in bytes per second: each time this many bytes have arrived,
/// the request gets one second more.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Time without traffic after which a connection counts as quiet and may have to make room for a new one. It
/// is longer than the round trip to a distant client.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// Activity of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    ticks: GatewayClock,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Time of the last byte from or to the client.
    moved: AtomicU64,
    frame: Frame,
    /// Time since when the client has taken none of the bytes that are to be sent to it; 0 while there are
    /// none.
    client_blocked: AtomicU64,
    /// Time since when the broker has taken none of the bytes that are to be sent to it; 0 while there are
    /// none.
    broker_blocked: AtomicU64,
    due: AtomicUsize,
    pub(crate) requests_held: Arc<Holder>,
    pub(crate) responses_held: Arc<Holder>,
    /// True once the memory of the connection is to be reclaimed.
    is_reclaimed: AtomicBool,
    /// Wakes [`Activity::called_off`].
    needed: Notify,
}

/// Request that is arriving.
#[derive(Debug, Default)]
struct Frame {
    /// True if some of it has arrived.
    begun: AtomicBool,
    arrived: AtomicU64,
    /// Time spent waiting for the client since the request began, in microseconds.
    waited: AtomicU64,
    /// Start of the current wait for the client; 0 while there is none.
    waiting_since: AtomicU64,
}

impl Activity {
    pub(crate) fn new(ticks: GatewayClock, address: IpAddr) -> Self {
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

    /// Returns the number of bytes from the client, and to it.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in.load(Relaxed), self.bytes_out.load(Relaxed))
    }

    /// Records that the client was asked for bytes and has none now.
    pub(crate) fn client_waited_for(&self) {
        begin(&self.frame.waiting_since, self.ticks);
    }

    /// Records bytes that came from the client.
    pub(crate) fn arrived(&self, bytes: u64) {
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

    /// Records that a request has been read. `buffered` bytes behind it have arrived already.
    pub(crate) fn request_read(&self, buffered: usize) {
        self.frame.begun.store(buffered > 0, Relaxed);
        self.frame.arrived.store(buffered as u64, Relaxed);
        self.frame.waited.store(0, Relaxed);
    }

    /// Records that bytes are to be sent and the peer takes none now.
    pub(crate) fn blocked(&self, peer: WrittenPeer) {
        begin(self.blocked_since(peer), self.ticks);
    }

    /// Records that the peer took bytes.
    pub(crate) fn taken(&self, peer: WrittenPeer, bytes: usize) {
        self.blocked_since(peer).store(0, Relaxed);
        if peer == WrittenPeer::Client && bytes > 0 {
            let _ = self.bytes_out.fetch_add(bytes as u64, Relaxed);
            self.moved.store(self.ticks.now(), Relaxed);
        }
    }

    fn blocked_since(&self, peer: WrittenPeer) -> &AtomicU64 {
        match peer {
            WrittenPeer::Client => &self.client_blocked,
            WrittenPeer::Broker => &self.broker_blocked,
        }
    }

    /// Counts one more response as due.
    pub(crate) fn response_due(&self) {
        let _ = self.due.fetch_add(1, Relaxed);
    }

    /// Counts one response less as due: it was delivered, or never will be.
    pub(crate) fn response_done(&self) {
        let _ = self.due.fetch_sub(1, Relaxed);
    }

    /// Asks the connection to close, because its memory is reclaimed.
    pub(crate) fn reclaim(&self) {
        self.is_reclaimed.store(true, Relaxed);
        self.needed.notify_one();
    }

    /// Asks the connection to close, if it is still quiet when it notices.
    pub(crate) fn give_way(&self) {
        self.needed.notify_one();
    }

    /// Waits for [`Activity::reclaim`] or [`Activity::give_way`], and returns the reason to close.
    pub(crate) async fn called_off(&self) -> SessionError {
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

    /// Returns the time of the last byte, if it is at least [`QUIET_AFTER`] ago, no request has begun, and no
    /// response is due.
    pub(crate) fn quiet_since(&self) -> Option<Micros> {
        let moved = self.moved.load(Relaxed);
        let is_quiet = self.owes_nothing() && self.ticks.now().saturating_sub(moved) >= micros(QUIET_AFTER);
        is_quiet.then_some(moved)
    }

    /// Returns true if no request has begun and no response is due.
    fn owes_nothing(&self) -> bool {
        !self.frame.begun.load(Relaxed) && self.due.load(Relaxed) == 0
    }

    /// Returns the reason to close the connection now, if there is one.
    pub(crate) fn overdue(&self, limits: &Limits) -> Option<SessionError> {
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

/// Peer that the gateway writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrittenPeer {
    Client,
    Broker,
}

fn begin(since: &AtomicU64, ticks: GatewayClock) {
    if since.load(Relaxed) == 0 {
        since.store(ticks.now(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn setup() -> (Activity, Limits) {
        (Activity::new(GatewayClock::start(), [127, 0, 0, 1].into()), Limits::default())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_trickling_request_is_too_slow_and_a_slow_line_is_not() {
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
    async fn a_connection_is_idle_only_without_a_pending_request_or_response() {
        let (activity, limits) = setup();
        activity.arrived(10);
        activity.response_due();
        activity.request_read(0);
        advance(2 * limits.idle_timeout).await;
        assert!(activity.overdue(&limits).is_none(), "a response is due");
        activity.taken(WrittenPeer::Client, 10);
        activity.response_done();
        advance(limits.idle_timeout - SECOND).await;
        assert!(activity.overdue(&limits).is_none());
        advance(2 * SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_little_now_and_then_is_no_slow_reader() {
        let (activity, limits) = setup();
        for _ in 0..100 {
            activity.blocked(WrittenPeer::Client);
            advance(limits.stall_timeout - SECOND).await;
            assert!(activity.overdue(&limits).is_none());
            activity.taken(WrittenPeer::Client, 1);
        }
        activity.blocked(WrittenPeer::Client);
        advance(limits.stall_timeout + SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::SlowReader)));
        activity.taken(WrittenPeer::Client, 1);
        activity.blocked(WrittenPeer::Broker);
        advance(limits.stall_timeout + SECOND).await;
        assert!(matches!(activity.overdue(&limits), Some(SessionError::BrokerStalled)));
    }
}
