//! Ways in which a [`FaultProxy`](super::FaultProxy) changes the bytes that pass it, and the switch that
//! tells its threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Direction of bytes through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker.
    Requests,
    /// From the broker to the client.
    Responses,
}

/// One kind of fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// No fault: every byte passes.
    Pass,
    /// All bytes are delayed by a latency and a random jitter.
    Delay {
        /// Minimum delay.
        latency: Duration,
        /// Maximum additional delay.
        jitter: Duration,
    },
    /// A connection is cut after `bytes` in one direction, usually in the middle of a frame.
    CutAfter {
        /// Direction in which bytes are counted.
        direction: Direction,
        /// Number of bytes that still pass.
        bytes: u64,
    },
    /// Bytes are read and dropped while the sockets stay open. Such connections are reset when the fault
    /// ends.
    Swallow {
        /// Requests never arrive.
        requests: bool,
        /// Responses never arrive, although the broker has acted.
        responses: bool,
    },
    /// Nothing is read until the fault ends, and nothing is lost.
    Hold {
        /// Holds the bytes towards the broker.
        requests: bool,
        /// Holds the bytes from the broker.
        responses: bool,
    },
    /// Every other connection is held while the rest goes on, so that later bytes overtake earlier ones.
    HoldSome,
    /// Limits the rate of each direction of each connection.
    Throttle {
        /// Maximum rate, in bytes per second.
        bytes_per_second: u64,
    },
    /// Connections are refused, and open ones are cut.
    Refuse,
}

/// The treatment of the next bytes of one connection in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Late { latency: Duration, jitter: Duration },
    UpTo(u64),
    Swallow,
    Wait,
    Slowly(u64),
}

#[derive(Debug)]
struct Current {
    behaviour: Behaviour,
    /// Number of changes so far.
    era: u64,
}

/// The present behaviour, shared by all threads of a proxy.
#[derive(Debug)]
pub(super) struct Switch {
    current: Mutex<Current>,
    changed: Condvar,
    hits: AtomicU64,
}

impl Switch {
    pub(super) fn new() -> Switch {
        let current = Mutex::new(Current { behaviour: Behaviour::Pass, era: 0 });
        Switch { current, changed: Condvar::new(), hits: AtomicU64::new(0) }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the behaviour. Runs `and_then` before any thread acts on the change.
    pub(super) fn set<T>(&self, behaviour: Behaviour, and_then: impl FnOnce() -> T) -> T {
        let mut current = self.current();
        current.behaviour = behaviour;
        current.era += 1;
        let done = and_then();
        drop(current);
        self.changed.notify_all();
        done
    }

    pub(super) fn refuses(&self) -> bool {
        self.current().behaviour == Behaviour::Refuse
    }

    /// Waits until connections are accepted again, or `stop` is set.
    pub(super) fn wait_while_refusing(&self, stop: &AtomicBool) {
        let mut current = self.current();
        while current.behaviour == Behaviour::Refuse && !stop.load(Ordering::Relaxed) {
            let waited = self.changed.wait_timeout(current, Duration::from_millis(200));
            current = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the era is no longer `era`, at most 200 ms.
    pub(super) fn wait_for_change(&self, era: u64) {
        let current = self.current();
        if current.era == era {
            let _ = self.changed.wait_timeout(current, Duration::from_millis(200));
        }
    }

    /// Returns what to do now with bytes of connection `id`, and the era of that verdict. Marks a connection
    /// as tainted if its bytes are to be dropped.
    pub(super) fn verdict(&self, id: u64, direction: Direction, tainted: &AtomicBool) -> (Verdict, u64) {
        let current = self.current();
        let requests = direction == Direction::Requests;
        let verdict = match current.behaviour {
            Behaviour::Pass | Behaviour::Refuse => Verdict::Pass,
            Behaviour::Delay { latency, jitter } => Verdict::Late { latency, jitter },
            Behaviour::CutAfter { direction: counted, bytes } if counted == direction => Verdict::UpTo(bytes),
            Behaviour::Swallow { requests: r, responses: s } if (requests && r) || (!requests && s) => {
                tainted.store(true, Ordering::Relaxed);
                Verdict::Swallow
            }
            Behaviour::Hold { requests: r, responses: s } if (requests && r) || (!requests && s) => {
                Verdict::Wait
            }
            Behaviour::HoldSome if (id + current.era).is_multiple_of(2) => Verdict::Wait,
            Behaviour::Throttle { bytes_per_second } => Verdict::Slowly(bytes_per_second.max(1)),
            Behaviour::CutAfter { .. }
            | Behaviour::Swallow { .. }
            | Behaviour::Hold { .. }
            | Behaviour::HoldSome => Verdict::Pass,
        };
        (verdict, current.era)
    }

    /// Counts one effect of a fault on a connection.
    pub(super) fn hit(&self) {
        let _ = self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}
