//! State of the open client connections, and the list of all of them.
//!
//! Texts that a client sends about itself are kept as short strings without control characters. Secrets are
//! never kept.
pub(crate) mod activity;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Bound, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::clock::now_ms;
use crate::wire::protocol::versions::{API_VERSIONS, FETCH, PRODUCE, SASL_HANDSHAKE, SHARE_FETCH};

use crate::gateway::connection::activity::{Activity, WrittenPeer};
use crate::gateway::metrics::Traffic;

use crate::gateway::clock::GatewayClock;
use crate::gateway::endpoint_map::ListenerTarget;

/// Snapshot of an open client connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConnection {
    /// Number of the connection. Later connections have higher numbers.
    pub id: u64,
    /// Address of the client.
    pub peer: SocketAddr,
    /// Broker whose listener the client connected to. `None` for the bootstrap listener.
    pub broker: Option<i32>,
    /// Time when the connection was accepted, in milliseconds since the epoch.
    pub connected_ms: i64,
    /// Identity that the client gave.
    pub identity: ClientIdentity,
    /// Number of requests so far.
    pub requests: u64,
    /// Number of bytes received from the client.
    pub bytes_in: u64,
    /// Number of bytes sent to the client.
    pub bytes_out: u64,
    /// Time of the last Produce request, in milliseconds since the epoch. `None` if there was none.
    pub last_produce_ms: Option<i64>,
    /// Time of the last Fetch or ShareFetch request, in milliseconds since the epoch. `None` if there was
    /// none.
    pub last_fetch_ms: Option<i64>,
}

/// Identity that a client gives. Each text has at most 256 bytes and is empty if the client did not give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientIdentity {
    /// `client.id` of the first request.
    pub client_id: String,
    /// Name of the client library (KIP-511).
    pub software_name: String,
    /// Version of the client library.
    pub software_version: String,
    /// SASL mechanism that the client requested.
    pub sasl_mechanism: String,
    /// Principal that the client authenticates as, as far as the exchange shows it.
    pub principal: String,
    /// True once a broker has accepted the principal.
    pub authenticated: bool,
}

/// Client connection, shared by its session and the list.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    id: u64,
    peer: SocketAddr,
    target: ListenerTarget,
    connected_ms: i64,
    traffic: Traffic,
    pub(crate) activity: Activity,
    identity: Mutex<ClientIdentity>,
    authenticated: AtomicBool,
    /// True until the client has authenticated or has sent a request with which not every client begins.
    only_greeted: AtomicBool,
    requests: AtomicU64,
    /// 0 means never.
    last_produce_ms: AtomicI64,
    last_fetch_ms: AtomicI64,
}

impl OpenConnection {
    /// Records bytes that came from the client.
    pub(crate) fn arrived(&self, bytes: u64) {
        self.activity.arrived(bytes);
        self.traffic.came_in(bytes);
    }

    /// Records bytes that a peer took.
    pub(crate) fn taken(&self, peer: WrittenPeer, bytes: usize) {
        self.activity.taken(peer, bytes);
        if peer == WrittenPeer::Client {
            self.traffic.went_out(bytes as u64);
        }
    }

    /// Records the start of a request.
    pub(crate) fn requested(&self, api_key: i16) {
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

    /// Returns true if a broker has accepted the client's authentication, or if the listener requires none.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated.load(Relaxed)
    }

    /// Records that a broker has accepted the client's authentication.
    pub(crate) fn authenticated(&self) {
        self.authenticated.store(true, Relaxed);
        self.only_greeted.store(false, Relaxed);
    }

    /// Returns true if the client has not authenticated yet, or has not asked for anything yet.
    pub(crate) fn is_stranger(&self) -> bool {
        !self.is_authenticated() || self.only_greeted.load(Relaxed)
    }

    /// Applies `change` to the client's identity.
    pub(crate) fn identify(&self, change: impl FnOnce(&mut ClientIdentity)) {
        change(&mut self.identity.lock());
    }

    /// Returns the `client.id`; empty while it is not known.
    pub(crate) fn client_id(&self) -> String {
        self.identity.lock().client_id.clone()
    }

    fn snapshot(&self) -> ClientConnection {
        let (bytes_in, bytes_out) = self.activity.bytes();
        let time = |ms: &AtomicI64| Some(ms.load(Relaxed)).filter(|ms| *ms > 0);
        ClientConnection {
            id: self.id,
            peer: self.peer,
            broker: match self.target {
                ListenerTarget::Bootstrap => None,
                ListenerTarget::Broker(id) => Some(id),
            },
            connected_ms: self.connected_ms,
            identity: self.identity.lock().clone(),
            requests: self.requests.load(Relaxed),
            bytes_in,
            bytes_out,
            last_produce_ms: time(&self.last_produce_ms),
            last_fetch_ms: time(&self.last_fetch_ms),
        }
    }
}

/// List of all open connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<List>);

#[derive(Debug, Default)]
struct List {
    last_id: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<OpenConnection>>>,
}

impl Connections {
    /// Returns the connections with a number above `after` that are `wanted`, ordered by number, at most
    /// `most` of them.
    pub fn page(
        &self,
        after: u64,
        most: usize,
        wanted: impl Fn(&ClientConnection) -> bool,
    ) -> Vec<ClientConnection> {
        // The snapshots are taken outside of the lock, so that connections can open and close meanwhile.
        let open: Vec<_> = {
            let open = self.lock();
            open.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, one)| Arc::clone(one)).collect()
        };
        open.iter().map(|one| one.snapshot()).filter(wanted).take(most).collect()
    }

    /// Returns all open connections.
    pub(crate) fn all(&self) -> Vec<Arc<OpenConnection>> {
        self.lock().values().cloned().collect()
    }

    /// Adds a connection to the list. Dropping the returned value removes it.
    pub(crate) fn open(
        &self,
        peer: SocketAddr,
        target: ListenerTarget,
        ticks: GatewayClock,
        traffic: Traffic,
        is_authenticated: bool,
    ) -> Listed {
        let id = self.0.last_id.fetch_add(1, Relaxed) + 1;
        let connection = Arc::new(OpenConnection {
            id,
            peer,
            target,
            connected_ms: now_ms(),
            traffic,
            // A dual-stack listener sees an IPv4 client as ::ffff:a.b.c.d.
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

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<u64, Arc<OpenConnection>>> {
        self.0.open.lock()
    }
}

/// Connection that is in the list until this is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    connections: Connections,
    connection: Arc<OpenConnection>,
}

impl Deref for Listed {
    type Target = Arc<OpenConnection>;

    fn deref(&self) -> &Arc<OpenConnection> {
        &self.connection
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let _ = self.connections.lock().remove(&self.connection.id);
    }
}

/// SaslAuthenticate request that ends its exchange if the broker accepts it.
#[derive(Debug)]
pub(crate) struct FinalSaslMessage {
    /// Principal that it names, if that can be read.
    pub(crate) principal: Option<String>,
    /// True if the request is accepted only by a response without a token.
    pub(crate) answer_must_be_empty: bool,
}
