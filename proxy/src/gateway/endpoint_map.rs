//! Which broker is where, for clients and for the gateway itself.
//!
//! Clients: broker n is at the advertised bootstrap port + 1 + n, a formula without state, so that it is the same after a
//! restart, on every machine, and for a broker that the gateway has not met yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::net::HostPort;

/// Port of broker `id` next to bootstrap port `bootstrap`; `None` where there is none.
#[must_use]
pub(super) fn broker_port(bootstrap: u16, id: i32) -> Option<u16> {
    let id = u16::try_from(id).ok()?;
    bootstrap.checked_add(1)?.checked_add(id)
}

/// What clients are told.
#[derive(Debug, Clone)]
pub(super) struct Advertised {
    /// The gateway's own host and bootstrap port.
    pub(super) bootstrap: HostPort,
}

impl Advertised {
    /// Where clients find broker `id`; `None` for an id whose port would lie beyond 65535.
    pub(super) fn broker(&self, id: i32) -> Option<HostPort> {
        let port = broker_port(self.bootstrap.port, id)?;
        Some(HostPort::new(self.bootstrap.host.clone(), port))
    }
}

/// Where the gateway itself finds the brokers, as last heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Brokers {
    known: Arc<ArcSwap<BTreeMap<i32, HostPort>>>,
    doubted: Arc<Notify>,
}

impl Brokers {
    /// Takes over what the directory said. Brokers that it no longer names keep their last address: their clients get
    /// connection errors until they come back, as they would without the gateway.
    pub(super) fn update(&self, known: impl IntoIterator<Item = (i32, HostPort)>) {
        let mut all = BTreeMap::clone(&self.known.load());
        all.extend(known);
        self.known.store(Arc::new(all));
    }

    /// A broker was not where it is said to be: the directory should be asked again soon.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Waits for a doubt, unless there was one since the last call.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    pub(super) fn get(&self, id: i32) -> Option<HostPort> {
        self.known.load().get(&id).cloned()
    }

    pub(super) fn all(&self) -> Arc<BTreeMap<i32, HostPort>> {
        self.known.load_full()
    }
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
