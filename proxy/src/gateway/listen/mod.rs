//! Opens the listeners: the bootstrap listener, and one for each broker as it becomes known.
pub(crate) mod admission;
pub(crate) mod broker_discovery;
pub(crate) mod eviction;
pub(crate) mod handshake;

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gateway::endpoint_map::ListenerTarget;
use crate::gateway::endpoint_map::broker_port;
use crate::gateway::error::CloseCause;
use crate::gateway::listen::admission::{Admission, AdmissionOutcome, Admitted, prepare};
use crate::gateway::listen::eviction::make_room;
use crate::gateway::listen::handshake::handshake;
use crate::gateway::session::serve;
use crate::gateway::shared::GatewayShared;
use crate::net::listen;

/// Pause after a failed accept. The file descriptors may be used up, and an immediate retry would not free
/// any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All listeners of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    shared: Arc<GatewayShared>,
    admission: Admission,
    bootstrap: SocketAddr,
    sessions: TaskTracker,
    stop: CancellationToken,
    open: Arc<Mutex<BTreeMap<i32, SocketAddr>>>,
    complained: Arc<Mutex<BTreeSet<i32>>>,
}

impl Listeners {
    /// Starts with the bootstrap listener, which is open already.
    pub(crate) fn begin(
        shared: Arc<GatewayShared>,
        listener: TcpListener,
        bootstrap: SocketAddr,
        sessions: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let admission = Admission::new(shared.options.limits.connections.clone());
        let (open, complained) = (Arc::default(), Arc::default());
        let listeners = Listeners { shared, admission, bootstrap, sessions, stop, open, complained };
        listeners.accept_on(listener, ListenerTarget::Bootstrap);
        let room = make_room(listeners.admission.clone(), listeners.shared.connections.clone());
        let stop = listeners.stop.clone();
        listeners.sessions.spawn(async move { stop.run_until_cancelled(room).await });
        listeners
    }

    /// Opens the listeners of brokers that have none yet. A failure is logged once, and retried at the next
    /// call.
    pub(crate) async fn open_missing(&self) {
        for id in self.shared.brokers.all().keys().copied() {
            if self.address_of(id).is_some() {
                continue;
            }
            let Some(port) = broker_port(self.bootstrap.port(), id) else {
                if self.first_complaint(id) {
                    let bootstrap_port = self.bootstrap.port();
                    tracing::error!(broker = id, bootstrap_port, "broker has no port: its id is too large");
                }
                continue;
            };
            self.open_one(id, SocketAddr::new(self.bootstrap.ip(), port)).await;
        }
    }

    async fn open_one(&self, id: i32, address: SocketAddr) {
        match listen(&address.ip().to_string(), address.port()).await {
            Ok(listener) => {
                tracing::info!(broker = id, %address, "listening for a broker");
                let _ = self.open.lock().insert(id, address);
                self.accept_on(listener, ListenerTarget::Broker(id));
            }
            Err(error) => {
                if self.first_complaint(id) {
                    tracing::error!(broker = id, %address, %error, "cannot listen for a broker");
                }
            }
        }
    }

    /// Returns the address of a broker's listener, if it is open.
    pub(crate) fn address_of(&self, id: i32) -> Option<SocketAddr> {
        self.open.lock().get(&id).copied()
    }

    fn first_complaint(&self, id: i32) -> bool {
        self.complained.lock().insert(id)
    }

    fn accept_on(&self, listener: TcpListener, target: ListenerTarget) {
        let this = self.clone();
        self.sessions.spawn(async move {
            loop {
                tokio::select! {
                    () = this.stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((tcp, peer)) => this.admit(tcp, peer, target),
                        Err(error) => {
                            if let Some(suppressed) = this.shared.log_limiter.may_log("accept") {
                                tracing::warn!(?target, %error, suppressed, "cannot accept a connection");
                            }
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        });
    }

    fn admit(&self, tcp: TcpStream, peer: SocketAddr, target: ListenerTarget) {
        let entry = match self.admission.admit(peer.ip()) {
            Ok(entry) => entry,
            Err(cause) => return self.turn_away(peer, target, cause),
        };
        if let Err(error) = prepare(&tcp) {
            self.shared.rewriter.metrics.turned_away(CloseCause::ClientIo);
            tracing::debug!(%peer, ?target, %error, "connection lost at once");
            return;
        }
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        match entry {
            AdmissionOutcome::Admitted(place) => {
                self.sessions.spawn(session(tcp, peer, target, shared, stop, place));
            }
            AdmissionOutcome::Waiting(newcomer) => {
                let this = self.clone();
                self.sessions.spawn(async move {
                    match stop.run_until_cancelled(newcomer.place()).await {
                        Some(Some(place)) => session(tcp, peer, target, shared, stop.clone(), place).await,
                        Some(None) => this.turn_away(peer, target, CloseCause::ConnectionLimit),
                        None => shared.rewriter.metrics.turned_away(CloseCause::Stopped),
                    }
                });
            }
        }
    }

    fn turn_away(&self, peer: SocketAddr, target: ListenerTarget, cause: CloseCause) {
        self.shared.rewriter.metrics.turned_away(cause);
        let cause = cause.label();
        match self.shared.log_limiter.may_log(cause) {
            Some(suppressed) => tracing::warn!(%peer, ?target, cause, suppressed, "connection limit reached"),
            None => tracing::debug!(%peer, ?target, cause, "connection limit reached"),
        }
    }
}

/// Serves a connection from the TLS handshake on. Gives its place back at the end.
async fn session(
    tcp: TcpStream,
    peer: SocketAddr,
    target: ListenerTarget,
    shared: Arc<GatewayShared>,
    stop: CancellationToken,
    place: Admitted,
) {
    if let Some(stream) = handshake(tcp, peer, target, &shared, &stop).await {
        serve(stream, peer, target, shared, stop).await;
    }
    drop(place);
}
