//! Who may connect: connections are counted in all and by address, and turned away beyond the limits.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

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

/// Counts open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ConnectionLimits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Addresses without a connection have no entry.
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Admission(Arc::new(Inner { limits, open: Mutex::default() }))
    }

    /// Counts a connection until the answer is dropped.
    ///
    /// # Errors
    /// Which limit it would exceed.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Admitted, CloseCause> {
        let limits = &self.0.limits;
        // A listener for both families sees an IPv4 client as ::ffff:a.b.c.d.
        let address = peer.to_canonical();
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= limits.total {
            return Err(CloseCause::ConnectionLimit);
        }
        let limit = limits.overrides.get(&address).copied().unwrap_or(limits.per_address);
        if open.by_address.get(&address).copied().unwrap_or_default() >= limit {
            return Err(CloseCause::AddressLimit);
        }
        open.total += 1;
        *open.by_address.entry(address).or_default() += 1;
        Ok(Admitted { admission: self.clone(), address })
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    address: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                let _ = open.by_address.remove(&self.address);
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

    #[test]
    fn an_address_has_its_own_limit_and_an_override_wins() {
        let admission = admission(100, 1);
        let a = admission.admit([10, 0, 0, 1].into()).unwrap();
        let mapped = IpAddr::from(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        assert_eq!(admission.admit(mapped).unwrap_err(), CloseCause::AddressLimit);
        let _b = admission.admit([10, 0, 0, 2].into()).unwrap();
        let _three: Vec<_> = (0..3).map(|_| admission.admit([10, 0, 0, 9].into()).unwrap()).collect();
        assert_eq!(admission.admit([10, 0, 0, 9].into()).unwrap_err(), CloseCause::AddressLimit);
        drop(a);
        let _again = admission.admit([10, 0, 0, 1].into()).unwrap();
    }

    #[test]
    fn closed_connections_leave_no_entry_behind() {
        let admission = admission(2, 2);
        let open: Vec<_> = (1..3).map(|n| admission.admit([10, 0, 0, n].into()).unwrap()).collect();
        assert_eq!(admission.admit([10, 0, 0, 3].into()).unwrap_err(), CloseCause::ConnectionLimit);
        drop(open);
        let left = admission.0.open.lock().unwrap();
        assert_eq!((left.total, left.by_address.len()), (0, 0));
    }
}
