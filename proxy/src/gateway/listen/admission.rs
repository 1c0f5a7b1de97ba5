//! Limits the number of connections, in total and by address, and turns away connections beyond the limits.
//! At the total limit, a few newcomers wait a moment for a place that a quiet connection gives up
//! ([`crate::gateway::listen::eviction`]).

use crate::gateway::options::ConnectionLimits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::gateway::error::CloseCause;

/// Maximum number of unsent bytes in a client's socket. It keeps the system's memory per connection small,
/// and makes a slow reader show progress each time this many bytes are gone. By default, Linux would take up
/// to `tcp_wmem` (4 MiB), and then report nothing until a third of that is gone.
const UNSENT: u32 = 256 * 1024;
/// Idle time after which the system probes whether a client's machine is still there. If nothing answers for
/// half a minute, the connection fails.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of newcomers that wait for a place when all are taken: each has a descriptor already. With
/// few places, it is an eighth of them.
const MAX_WAITING: usize = 64;
const WAITING_PART: usize = 8;
/// Maximum time that a newcomer waits. It is longer than a connection takes to count as quiet, so no newcomer
/// is turned away while others do nothing.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(2);

/// Counter of open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<AdmissionInner>);

#[derive(Debug)]
struct AdmissionInner {
    limits: ConnectionLimits,
    /// Free places. The newcomer that has waited longest gets the next one.
    places: Arc<Semaphore>,
    may_wait: Arc<Semaphore>,
    /// Initial number of permits in `may_wait`.
    most_waiting: usize,
    newcomer: Notify,
    /// Addresses without a connection have no entry.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Outcome for a new connection that exceeds no limit of its address.
#[derive(Debug)]
pub(crate) enum AdmissionOutcome {
    Admitted(Admitted),
    /// No place is left.
    Waiting(Newcomer),
}

impl Admission {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        let total = limits.total.min(Semaphore::MAX_PERMITS);
        let most_waiting = (total / WAITING_PART).clamp(1, MAX_WAITING);
        Admission(Arc::new(AdmissionInner {
            limits,
            places: Arc::new(Semaphore::new(total)),
            may_wait: Arc::new(Semaphore::new(most_waiting)),
            most_waiting,
            newcomer: Notify::new(),
            by_address: Mutex::default(),
        }))
    }

    /// Counts a connection until the returned value is dropped.
    ///
    /// # Errors
    /// The limit that the connection would exceed.
    pub(crate) fn admit(&self, peer: IpAddr) -> Result<AdmissionOutcome, CloseCause> {
        let counted = self.count(peer).ok_or(CloseCause::AddressLimit)?;
        if let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() {
            return Ok(AdmissionOutcome::Admitted(Admitted { _place: place, _counted: counted }));
        }
        let leave = Arc::clone(&self.0.may_wait).try_acquire_owned();
        let leave = leave.map_err(|_| CloseCause::ConnectionLimit)?;
        self.0.newcomer.notify_one();
        Ok(AdmissionOutcome::Waiting(Newcomer { counted, _leave: leave }))
    }

    /// Waits until any newcomer waits for a place. Returns how many wait.
    pub(crate) async fn waited_for(&self) -> usize {
        loop {
            match self.waiting() {
                0 => self.0.newcomer.notified().await,
                waiting => return waiting,
            }
        }
    }

    fn waiting(&self) -> usize {
        self.0.most_waiting - self.0.may_wait.available_permits()
    }

    fn count(&self, peer: IpAddr) -> Option<Counted> {
        let limits = &self.0.limits;
        // A dual-stack listener sees an IPv4 client as ::ffff:a.b.c.d.
        let address = peer.to_canonical();
        let limit = limits.overrides.get(&address).copied().unwrap_or(limits.per_address);
        let mut by_address = self.by_address();
        let open = by_address.get(&address).copied().unwrap_or_default();
        (open < limit).then(|| {
            let _ = by_address.insert(address, open + 1);
            Counted { admission: self.clone(), address }
        })
    }

    fn by_address(&self) -> parking_lot::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.by_address.lock()
    }
}

/// New connection that waits for a place.
#[derive(Debug)]
pub(crate) struct Newcomer {
    counted: Counted,
    /// Counts it among those that wait.
    _leave: OwnedSemaphorePermit,
}

impl Newcomer {
    /// Waits for a place. Returns `None` if none became free within [`ADMISSION_TIMEOUT`].
    pub(crate) async fn place(self) -> Option<Admitted> {
        let places = Arc::clone(&self.counted.admission.0.places);
        let place = tokio::time::timeout(ADMISSION_TIMEOUT, places.acquire_owned()).await.ok()?.ok()?;
        Some(Admitted { _place: place, _counted: self.counted })
    }
}

/// Open connection that has a place.
#[derive(Debug)]
pub(crate) struct Admitted {
    _place: OwnedSemaphorePermit,
    _counted: Counted,
}

/// Connection that is counted for its address.
#[derive(Debug)]
struct Counted {
    admission: Admission,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_address = self.admission.by_address();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                let _ = by_address.remove(&self.address);
            }
        }
    }
}

/// Sets the options of a client's socket.
///
/// # Errors
/// The system's error: the connection is lost already.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn admission(total: usize, per_address: usize) -> Admission {
        let overrides = BTreeMap::from([(IpAddr::from([10, 0, 0, 9]), 3)]);
        Admission::new(ConnectionLimits { total, per_address, overrides })
    }

    fn admitted(admission: &Admission, address: impl Into<IpAddr>) -> Admitted {
        match admission.admit(address.into()) {
            Ok(AdmissionOutcome::Admitted(admitted)) => admitted,
            other => panic!("{other:?}"),
        }
    }

    fn newcomer(admission: &Admission, address: impl Into<IpAddr>) -> Newcomer {
        match admission.admit(address.into()) {
            Ok(AdmissionOutcome::Waiting(newcomer)) => newcomer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_has_its_own_limit_and_an_override_wins() {
        let admission = admission(100, 1);
        let a = admitted(&admission, [10, 0, 0, 1]);
        let mapped = IpAddr::from(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        assert_eq!(admission.admit(mapped).unwrap_err(), CloseCause::AddressLimit);
        let _b = admitted(&admission, [10, 0, 0, 2]);
        let _three: Vec<_> = (0..3).map(|_| admitted(&admission, [10, 0, 0, 9])).collect();
        assert_eq!(admission.admit([10, 0, 0, 9].into()).unwrap_err(), CloseCause::AddressLimit);
        drop(a);
        let _again = admitted(&admission, [10, 0, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_newcomers_get_freed_places_in_turn_or_are_turned_away() {
        let admission = admission(16, 16);
        let mut open: Vec<_> = (1..17).map(|n| admitted(&admission, [10, 0, 0, n])).collect();
        let (first, second) = (newcomer(&admission, [10, 0, 0, 20]), newcomer(&admission, [10, 0, 0, 21]));
        assert_eq!(admission.admit([10, 0, 0, 3].into()).unwrap_err(), CloseCause::ConnectionLimit);
        assert_eq!(admission.waited_for().await, 2);
        let (first, second) = (tokio::spawn(first.place()), tokio::spawn(second.place()));
        tokio::task::yield_now().await;
        drop(open.pop());
        // The place goes to the newcomer that has waited, not to the connection that comes just now.
        assert_eq!(admission.admit([10, 0, 0, 3].into()).unwrap_err(), CloseCause::ConnectionLimit);
        let _first = first.await.unwrap().expect("a place");
        assert!(second.await.unwrap().is_none(), "nobody goes");
    }

    #[tokio::test]
    async fn closed_connections_leave_no_entry_behind() {
        let admission = admission(2, 2);
        let open: Vec<_> = (1..3).map(|n| admitted(&admission, [10, 0, 0, n])).collect();
        drop(newcomer(&admission, [10, 0, 0, 3]));
        drop(open);
        assert_eq!((admission.0.places.available_permits(), admission.by_address().len()), (2, 0));
        assert_eq!((admission.waiting(), admission.0.may_wait.available_permits()), (0, 1));
    }
}
