//! Maps broker ids to addresses, for clients and for the gateway itself.
//!
//! Clients find broker n at the advertised bootstrap port + 1 + n. This formula has no state, so the port is
//! the same after a restart, on every machine, and for a broker that the gateway does not know yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::net::HostPort;

/// Returns the port of broker `id` next to bootstrap port `bootstrap`, or `None` if the id has no port.
#[must_use]
pub(crate) fn broker_port(bootstrap: u16, id: i32) -> Option<u16> {
    let id = u16::try_from(id).ok()?;
    bootstrap.checked_add(1)?.checked_add(id)
}

/// Address that the gateway gives to clients.
#[derive(Debug, Clone)]
pub(crate) struct Advertised {
    /// The gateway's own host and bootstrap port.
    pub(crate) bootstrap: HostPort,
}

impl Advertised {
    /// Returns the address at which clients find broker `id`, or `None` for an id that is negative or whose
    /// port would be above 65535.
    pub(crate) fn broker(&self, id: i32) -> Option<HostPort> {
        let port = broker_port(self.bootstrap.port, id)?;
        Some(HostPort::new(self.bootstrap.host.clone(), port))
    }
}

/// Addresses at which the gateway finds the brokers, as last reported by the directory. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brokers {
    known: Arc<ArcSwap<BTreeMap<i32, HostPort>>>,
    doubted: Arc<Notify>,
}

impl Brokers {
    /// Takes over the brokers that the directory reported. Brokers that it no longer reports keep their last
    /// address: their clients get connection errors until the brokers come back, as without the gateway.
    pub(crate) fn update(&self, known: impl IntoIterator<Item = (i32, HostPort)>) {
        let mut all = BTreeMap::clone(&self.known.load());
        all.extend(known);
        self.known.store(Arc::new(all));
    }

    /// Reports that a broker was not reachable at its address, so that the directory is asked again soon.
    pub(crate) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Waits for such a report. Returns at once if there was one since the last call.
    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    pub(crate) fn get(&self, id: i32) -> Option<HostPort> {
        self.known.load().get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Arc<BTreeMap<i32, HostPort>> {
        self.known.load_full()
    }
}

/// Broker that a listener stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerTarget {
    /// Any broker that can be reached.
    Bootstrap,
    /// The broker with this id.
    Broker(i32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_the_formula_and_never_wrap() {
        assert_eq!(broker_port(9092, 0), Some(9093));
        assert_eq!(broker_port(9092, 7), Some(9100));
        assert_eq!(broker_port(9092, 56_442), Some(65_535));
        assert_eq!(broker_port(9092, 56_443), None);
        assert_eq!(broker_port(9092, i32::MAX), None);
        assert_eq!(broker_port(9092, -1), None);
        assert_eq!(broker_port(65_535, 0), None);
    }

    #[test]
    fn a_broker_that_is_no_longer_named_keeps_its_address() {
        let brokers = Brokers::default();
        brokers.update([(1, HostPort::new("a", 1)), (2, HostPort::new("b", 2))]);
        brokers.update([(2, HostPort::new("c", 3))]);
        assert_eq!(brokers.get(1), Some(HostPort::new("a", 1)));
        assert_eq!(brokers.get(2), Some(HostPort::new("c", 3)));
    }
}
