//! Who may connect: connections are counted in all and by address, and turned away beyond the limits. Beyond that of
//! all, a few wait a moment for a place, which quiet connections give up ([`super::eviction`]).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::error::CloseCause;

/// Bytes that may wait in a client's socket unsent. Keeps the memory of the system per connection small, and makes a slow
/// reader show progress every so many bytes: by itself, Linux would take up to `tcp_wmem` (4 MiB) and then tell nothing
/// until a third of that has gone.
const UNSENT: u32 = 256 * 1024;
/// Silence after which the system asks whether a client's machine is still there; unanswered for half a minute, the
/// connection fails.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Connections that the system takes before the gateway has: clients beyond wait for a second before they try again, so a
/// flood of connections would slow down all others.
const BACKLOG: u32 = 4096;

/// Limits on open connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all (`max.connections`).
    pub total: usize,
    /// From one address (`max.connections.per.ip`).
    pub per_address: usize,
    /// Exceptions from that (`max.connections.per.ip.overrides`).
    pub overrides: BTreeMap<IpAddr, usize>,
}

/// Newcomers that may wait for a place when all are taken: each has a descriptor already. Of few places, a part.
const MAX_WAITING: usize = 64;
const WAITING_PART: usize = 8;
/// How long one waits: more than it takes a connection to be quiet, so that none is turned away while others do
/// nothing.
const WAIT: Duration = Duration::from_secs(2);

/// Counts open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ConnectionLimits,
    /// Who has waited for longest is the next.
    places: Arc<Semaphore>,
    may_wait: Arc<Semaphore>,
    /// What `may_wait` begins with.
    most_waiting: usize,
    newcomer: Notify,
    /// Addresses without a connection have no entry.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// What becomes of a new connection that exceeds no limit of its address.
#[derive(Debug)]
pub(super) enum Entry {
    Admitted(Admitted),
    /// There is no place left.
    Waiting(Newcomer),
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let total = limits.total.min(Semaphore::MAX_PERMITS);
        let most_waiting = (total / WAITING_PART).clamp(1, MAX_WAITING);
        Admission(Arc::new(Inner {
            limits,
            places: Arc::new(Semaphore::new(total)),
            may_wait: Arc::new(Semaphore::new(most_waiting)),
            most_waiting,
            newcomer: Notify::new(),
            by_address: Mutex::default(),
        }))
    }

    /// Counts a connection until the answer is dropped.
    ///
    /// # Errors
    /// Which limit it would exceed.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Entry, CloseCause> {
        let counted = self.count(peer).ok_or(CloseCause::AddressLimit)?;
        if let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() {
            return Ok(Entry::Admitted(Admitted { _place: place, _counted: counted }));
        }
        let leave = Arc::clone(&self.0.may_wait).try_acquire_owned();
        let leave = leave.map_err(|_| CloseCause::ConnectionLimit)?;
        self.0.newcomer.notify_one();
        Ok(Entry::Waiting(Newcomer { counted, _leave: leave }))
    }

    /// How many wait for a place; returns once any does.
    pub(super) async fn waited_for(&self) -> usize {
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
        // A listener for both families sees an IPv4 client as ::ffff:a.b.c.d.
        let address = peer.to_canonical();
        let limit = limits.overrides.get(&address).copied().unwrap_or(limits.per_address);
        let mut by_address = self.by_address();
        let open = by_address.get(&address).copied().unwrap_or_default();
        (open < limit).then(|| {
            let _ = by_address.insert(address, open + 1);
            Counted { admission: self.clone(), address }
        })
    }

    fn by_address(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits for a place.
#[derive(Debug)]
pub(super) struct Newcomer {
    counted: Counted,
    /// Counted among those that wait.
    _leave: OwnedSemaphorePermit,
}

impl Newcomer {
    /// Its place; `None` where there was none for too long.
    pub(super) async fn place(self) -> Option<Admitted> {
        let places = Arc::clone(&self.counted.admission.0.places);
        let place = tokio::time::timeout(WAIT, places.acquire_owned()).await.ok()?.ok()?;
        Some(Admitted { _place: place, _counted: self.counted })
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Admitted {
    _place: OwnedSemaphorePermit,
    _counted: Counted,
}

/// Counted for its address.
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

/// Listens on the first address of `host` that lets itself be bound.
///
/// # Errors
/// The system's, of the last address.
pub(super) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Options of a client's socket.
///
/// # Errors
/// The system's: the connection is lost already.
pub(super) fn prepare(tcp: &TcpStream) -> io::Result<()> {
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

    fn admission(total: usize, per_address: usize) -> Admission {
        let overrides = BTreeMap::from([(IpAddr::from([10, 0, 0, 9]), 3)]);
        Admission::new(ConnectionLimits { total, per_address, overrides })
    }

    fn admitted(admission: &Admission, address: impl Into<IpAddr>) -> Admitted {
        match admission.admit(address.into()) {
            Ok(Entry::Admitted(admitted)) => admitted,
            other => panic!("{other:?}"),
        }
    }

    fn newcomer(admission: &Admission, address: impl Into<IpAddr>) -> Newcomer {
        match admission.admit(address.into()) {
            Ok(Entry::Waiting(newcomer)) => newcomer,
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
    async fn newcomers_get_the_places_that_come_free_in_turn_or_are_turned_away_in_time() {
        let admission = admission(16, 16);
        let mut open: Vec<_> = (1..17).map(|n| admitted(&admission, [10, 0, 0, n])).collect();
        let (first, second) = (newcomer(&admission, [10, 0, 0, 20]), newcomer(&admission, [10, 0, 0, 21]));
        assert_eq!(admission.admit([10, 0, 0, 3].into()).unwrap_err(), CloseCause::ConnectionLimit);
        assert_eq!(admission.waited_for().await, 2);
        let (first, second) = (tokio::spawn(first.place()), tokio::spawn(second.place()));
        tokio::task::yield_now().await;
        drop(open.pop());
        // The place is that of who has waited, not of who comes just now.
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
