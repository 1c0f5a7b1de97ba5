//! One open client connection, as the gateway knows it, and the list of them all.
//!
//! What a client says of itself is kept in short strings without control characters; secrets never are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Bound, Deref};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::now_ms;
use crate::wire::versions::{API_VERSIONS, FETCH, PRODUCE, SASL_HANDSHAKE, SHARE_FETCH};

use super::activity::{Activity, Peer};
use super::budget::Hold;
use super::metrics::Traffic;
use super::observer::Offer;
use super::ticks::Ticks;
use super::upstream::Target;

/// An open client connection, as it was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConnection {
    /// Its number: later connections have higher ones.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// The broker whose listener it came to; `None` for the bootstrap listener.
    pub broker: Option<i32>,
    /// When it was accepted, in milliseconds since the epoch.
    pub connected_ms: i64,
    /// What it said of itself.
    pub identity: Identity,
    /// Requests so far.
    pub requests: u64,
    /// Bytes that came from the client.
    pub bytes_in: u64,
    /// Bytes that it took.
    pub bytes_out: u64,
    /// Time of its last Produce request, in milliseconds since the epoch.
    pub last_produce_ms: Option<i64>,
    /// Time of its last Fetch or ShareFetch request, in milliseconds since the epoch.
    pub last_fetch_ms: Option<i64>,
}

/// Who a client says that it is. Each text has at most 256 bytes; empty where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `client.id` of its first request.
    pub client_id: String,
    /// Name of its library (KIP-511).
    pub software_name: String,
    /// Version of its library.
    pub software_version: String,
    /// SASL mechanism that it asked for.
    pub sasl_mechanism: String,
    /// Whom it authenticates as, as far as the exchange tells.
    pub principal: String,
    /// A broker has accepted the principal.
    pub authenticated: bool,
}

/// A connection, shared by its task and the list.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    peer: SocketAddr,
    target: Target,
    connected_ms: i64,
    traffic: Traffic,
    pub(super) activity: Activity,
    identity: Mutex<Identity>,
    authenticated: AtomicBool,
    /// It has asked for nothing but what every client begins with.
    only_greeted: AtomicBool,
    requests: AtomicU64,
    /// 0 for never.
    last_produce_ms: AtomicI64,
    last_fetch_ms: AtomicI64,
}

impl Connection {
    /// Bytes came from the client.
    pub(super) fn arrived(&self, bytes: u64) {
        self.activity.arrived(bytes);
        self.traffic.came_in(bytes);
    }

    /// A peer took bytes.
    pub(super) fn taken(&self, peer: Peer, bytes: usize) {
        self.activity.taken(peer, bytes);
        if peer == Peer::Client {
            self.traffic.went_out(bytes as u64);
        }
    }

    /// A request begins.
    pub(super) fn requested(&self, api_key: i16) {
        let _ = self.requests.fetch_add(1, Relaxed);
        if !matches!(api_key, API_VERSIONS | SASL_HANDSHAKE) {
            self.only_greeted.store(false, Relaxed);
        }
        match api_key {
            PRODUCE => self.last_produce_ms.store(now_ms(), Relaxed),
            FETCH | SHARE_FETCH => self.last_fetch_ms.store(now_ms(), Relaxed),
            _ => {}
        }
    }

    /// A broker has accepted an exchange of the client, or the listener asks for none.
    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticated.load(Relaxed)
    }

    /// A broker has accepted an exchange of the client.
    pub(super) fn authenticated(&self) {
        self.authenticated.store(true, Relaxed);
        self.only_greeted.store(false, Relaxed);
    }

    /// It has yet to authenticate, or to ask for anything.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_authenticated() || self.only_greeted.load(Relaxed)
    }

    /// Lets `change` have what the client said of itself.
    pub(super) fn identify(&self, change: impl FnOnce(&mut Identity)) {
        change(&mut self.identity.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// `client.id`; empty while it is not known.
    pub(super) fn client_id(&self) -> String {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).client_id.clone()
    }

    fn snapshot(&self) -> ClientConnection {
        let (bytes_in, bytes_out) = self.activity.bytes();
        let time = |ms: &AtomicI64| Some(ms.load(Relaxed)).filter(|ms| *ms > 0);
        ClientConnection {
            id: self.id,
            peer: self.peer,
            broker: match self.target {
                Target::Bootstrap => None,
                Target::Broker(id) => Some(id),
            },
            connected_ms: self.connected_ms,
            identity: self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            requests: self.requests.load(Relaxed),
            bytes_in,
            bytes_out,
            last_produce_ms: time(&self.last_produce_ms),
            last_fetch_ms: time(&self.last_fetch_ms),
        }
    }
}

/// A response that is due; it no longer is once this is dropped.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) connection: Arc<Connection>,
    /// What the request offered to authenticate with.
    pub(super) offer: Option<Offer>,
    _held: Option<Hold>,
}

impl Due {
    /// `held` is the memory that the answer takes until it is given.
    pub(super) fn new(connection: &Arc<Connection>, offer: Option<Offer>, held: Option<Hold>) -> Self {
        connection.activity.response_due();
        Due { connection: Arc::clone(connection), offer, _held: held }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.connection.activity.response_done();
    }
}

/// All open connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<List>);

#[derive(Debug, Default)]
struct List {
    last_id: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
}

impl Connections {
    /// The connections after number `after` that are `wanted`, by number, `most` at the most.
    pub fn page(
        &self,
        after: u64,
        most: usize,
        wanted: impl Fn(&ClientConnection) -> bool,
    ) -> Vec<ClientConnection> {
        // Looked at outside of the lock: connections come and go meanwhile.
        let open: Vec<_> = {
            let open = self.lock();
            open.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, one)| Arc::clone(one)).collect()
        };
        open.iter().map(|one| one.snapshot()).filter(wanted).take(most).collect()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }

    /// Lists a new connection until the answer is dropped.
    pub(super) fn open(
        &self,
        peer: SocketAddr,
        target: Target,
        ticks: Ticks,
        traffic: Traffic,
        is_authenticated: bool,
    ) -> Listed {
        let id = self.0.last_id.fetch_add(1, Relaxed) + 1;
        let connection = Arc::new(Connection {
            id,
            peer,
            target,
            connected_ms: now_ms(),
            traffic,
            // A listener for both families sees an IPv4 client as ::ffff:a.b.c.d.
            activity: Activity::new(ticks, peer.ip().to_canonical()),
            identity: Mutex::default(),
            authenticated: AtomicBool::new(is_authenticated),
            only_greeted: AtomicBool::new(true),
            requests: AtomicU64::new(0),
            last_produce_ms: AtomicI64::new(0),
            last_fetch_ms: AtomicI64::new(0),
        });
        let _ = self.lock().insert(id, Arc::clone(&connection));
        Listed { connections: self.clone(), connection }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is in the list.
#[derive(Debug)]
pub(super) struct Listed {
    connections: Connections,
    connection: Arc<Connection>,
}

impl Deref for Listed {
    type Target = Arc<Connection>;

    fn deref(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let _ = self.connections.lock().remove(&self.connection.id);
    }
}
