//! A TCP proxy that injects network faults between a client and a server.
//!
//! It does not know the Kafka protocol. Clients follow advertised addresses, so a broker behind a proxy must
//! advertise the port of the proxy (`Cluster::launch_behind`), and so must a gateway
//! (`advertised.listeners`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;

use super::behaviour::{Behaviour, Direction, Switch};
use super::pump::Connection;

#[derive(Debug)]
struct Shared {
    listen: SocketAddr,
    /// Port on 127.0.0.1 to which the proxy connects.
    target: AtomicU16,
    switch: Switch,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy. It stops when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Listens on `port` of 127.0.0.1 and connects to port `target` there.
    ///
    /// # Panics
    /// Panics if the port is taken.
    #[must_use]
    pub fn start(port: u16, target: u16) -> FaultProxy {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let shared = Arc::new(Shared {
            listen: at(port),
            target: AtomicU16::new(target),
            switch: Switch::new(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let listener = TcpListener::bind(shared.listen).unwrap_or_else(|e| panic!("port {port}: {e}"));
        let accepting = shared.clone();
        std::thread::spawn(move || accept(&accepting, listener));
        FaultProxy { shared }
    }

    /// Injects this fault from now on.
    pub fn set(&self, behaviour: Behaviour) {
        let refuse = behaviour == Behaviour::Refuse;
        self.shared.switch.set(behaviour, || ());
        if refuse {
            self.wake();
            let _ = self.cut();
        }
    }

    /// Ends the fault. Resets connections that lost bytes: they could not go on.
    pub fn clear(&self) {
        let tainted: Vec<Arc<Connection>> = self.shared.switch.set(Behaviour::Pass, || {
            let open = self.shared.open();
            open.values().filter(|c| c.tainted.load(Ordering::Relaxed)).cloned().collect()
        });
        tainted.iter().for_each(|c| c.reset());
    }

    /// Connects to another port from now on, as if a name resolved to another machine. Cuts open connections.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::Relaxed);
        let _ = self.cut();
    }

    /// Returns the port to which the proxy connects.
    #[must_use]
    pub fn target(&self) -> u16 {
        self.shared.target.load(Ordering::Relaxed)
    }

    /// Ends every connection in order (FIN). Returns their number.
    pub fn cut(&self) -> usize {
        self.end(Connection::cut)
    }

    /// Ends every connection with RST. Returns their number.
    pub fn reset(&self) -> usize {
        self.end(Connection::reset)
    }

    fn end(&self, how: impl Fn(&Connection)) -> usize {
        let all: Vec<Arc<Connection>> = self.shared.open().values().cloned().collect();
        for connection in &all {
            self.shared.switch.hit();
            how(connection);
        }
        all.len()
    }

    /// Returns the number of open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }

    /// Returns how many times a fault has affected a connection or some of its bytes since the proxy was
    /// started.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.switch.hits()
    }

    /// Wakes the accepting thread.
    fn wake(&self) {
        let _ = TcpStream::connect_timeout(&self.shared.listen, Duration::from_millis(200));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        let _ = self.cut();
    }
}

fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    let mut listener = Some(listener);
    while !shared.stop.load(Ordering::Relaxed) {
        if shared.switch.refuses() {
            // A closed port refuses connections by itself.
            drop(listener.take());
            shared.switch.wait_while_refusing(&shared.stop);
            continue;
        }
        let Some(bound) = listener.as_ref() else {
            listener = TcpListener::bind(shared.listen).ok();
            if listener.is_none() {
                std::thread::sleep(Duration::from_millis(20));
            }
            continue;
        };
        let Ok((client, _)) = bound.accept() else { continue };
        if shared.stop.load(Ordering::Relaxed) || shared.switch.refuses() {
            shared.switch.hit();
            abort(client);
            continue;
        }
        let shared = shared.clone();
        std::thread::spawn(move || serve(&shared, client));
    }
}

fn serve(shared: &Arc<Shared>, client: TcpStream) {
    // If the broker is down, the client gets a reset: the closest to a refusal that is possible after an
    // accept.
    let target = shared.target.load(Ordering::Relaxed);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(server) = TcpStream::connect_timeout(&at, Duration::from_secs(3)) else {
        return abort(client);
    };
    let id = shared.next.fetch_add(1, Ordering::Relaxed);
    let connection = Arc::new(Connection::new(id, client, server));
    let _ = shared.open().insert(id, connection.clone());
    if shared.target.load(Ordering::Relaxed) != target {
        // Another target was set during the connect, and its cut missed this connection.
        connection.cut();
    }
    if shared.stop.load(Ordering::Relaxed) || shared.switch.refuses() {
        connection.cut();
    }
    let responses = {
        let (shared, connection) = (shared.clone(), connection.clone());
        std::thread::spawn(move || connection.pump(Direction::Responses, &shared.switch))
    };
    connection.pump(Direction::Requests, &shared.switch);
    let _ = responses.join();
    // A half-open connection stays until its fault ends.
    while connection.tainted.load(Ordering::Relaxed) && !connection.is_over() {
        std::thread::sleep(Duration::from_millis(50));
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let _ = shared.open().remove(&id);
}

fn abort(client: TcpStream) {
    let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
