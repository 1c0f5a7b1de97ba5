//! What a [`FaultProxy`](super::FaultProxy) does to the bytes that pass it, and how its threads learn that it changes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the one that connected.
    Requests,
    /// Back to it.
    Responses,
}

/// One way of misbehaving.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// None: every byte passes.
    Pass,
    /// Whatever passes is late, by a latency and up to a jitter beside.
    Delay {
        /// At least so late.
        latency: Duration,
        /// At most so much later.
        jitter: Duration,
    },
    /// A connection is cut once so many bytes have passed in one direction, which is in the middle of a frame.
    CutAfter {
        /// Counted in this direction.
        direction: Direction,
        /// Bytes that still pass.
        bytes: u64,
    },
    /// Bytes are read and thrown away while the sockets stay open; such connections are reset when it ends.
    Swallow {
        /// Requests never arrive.
        requests: bool,
        /// Responses never arrive, although the broker has acted.
        responses: bool,
    },
    /// Nothing is read for a while, and nothing lost.
    Hold {
        /// Towards the broker.
        requests: bool,
        /// From the broker.
        responses: bool,
    },
    /// Every other connection is held while the rest goes on, so that what was sent later arrives earlier.
    HoldSome,
    /// No direction of any connection passes more than so many bytes a second.
    Throttle {
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// Connections are refused, and those that are open cut.
    Refuse,
}

/// What becomes of the next bytes of one connection in one direction.
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
    /// Counts the changes.
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

    /// Changes the behaviour. `and_then` runs before anybody acts on it.
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

    /// Waits for a change, or a short while.
    pub(super) fn wait_for_change(&self, era: u64) {
        let current = self.current();
        if current.era == era {
            let _ = self.changed.wait_timeout(current, Duration::from_millis(200));
        }
    }

    /// What is to be done now with bytes of connection `id`, and the era of that verdict. A connection of which bytes are
    /// thrown away is tainted.
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

    /// Something was done to a connection.
    pub(super) fn hit(&self) {
        let _ = self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}
