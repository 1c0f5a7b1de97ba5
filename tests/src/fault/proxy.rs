//! A TCP proxy between two that should trust neither each other nor the network.
//!
//! It knows nothing of Kafka. Kafka's clients follow advertised addresses, so a broker behind it advertises its port
//! (`Cluster::launch_behind`), and a gateway behind it likewise (`advertised.listeners`).

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
    /// A port of 127.0.0.1.
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

/// The proxy; gone when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Listens at `port` of 127.0.0.1 and connects to port `target` there.
    ///
    /// # Panics
    /// When the port is taken.
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

    /// Misbehaves in this way from now on.
    pub fn set(&self, behaviour: Behaviour) {
        let refuse = behaviour == Behaviour::Refuse;
        self.shared.switch.set(behaviour, || ());
        if refuse {
            self.wake();
            let _ = self.cut();
        }
    }

    /// Behaves again. Connections that lost bytes are reset: they could not go on.
    pub fn clear(&self) {
        let tainted: Vec<Arc<Connection>> = self.shared.switch.set(Behaviour::Pass, || {
            let open = self.shared.open();
            open.values().filter(|c| c.tainted.load(Ordering::Relaxed)).cloned().collect()
        });
        tainted.iter().for_each(|c| c.reset());
    }

    /// Leads to another port from now on, as if a name began to mean another machine: what is open is cut.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::Relaxed);
        let _ = self.cut();
    }

    /// The port to which it leads.
    #[must_use]
    pub fn target(&self) -> u16 {
        self.shared.target.load(Ordering::Relaxed)
    }

    /// Ends every connection in order; how many there were.
    pub fn cut(&self) -> usize {
        self.end(Connection::cut)
    }

    /// Ends every connection with RST; how many there were.
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

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }

    /// How many times a fault has met a connection or bytes of one, since the proxy began.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.switch.hits()
    }

    /// The accepting thread looks up from its socket.
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
            // A closed port refuses by itself.
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
    // The broker is not there: as near to a refusal as an accepted connection can come.
    let target = shared.target.load(Ordering::Relaxed);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(server) = TcpStream::connect_timeout(&at, Duration::from_secs(3)) else {
        return abort(client);
    };
    let id = shared.next.fetch_add(1, Ordering::Relaxed);
    let connection = Arc::new(Connection::new(id, client, server));
    let _ = shared.open().insert(id, connection.clone());
    if shared.target.load(Ordering::Relaxed) != target {
        // Another target was set while this one was dialled: whoever cut the rest has not seen this connection.
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
