//! Open ports: the bootstrap listener, and one for every broker as it becomes known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Admitted, Entry, listen, prepare};
use super::endpoint_map::broker_port;
use super::error::CloseCause;
use super::eviction::make_room;
use super::handshake::handshake;
use super::session::{Shared, serve};
use super::upstream::Target;

/// Pause after a failed accept: file handles may be used up, and trying at once again would not free any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All listeners of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    shared: Arc<Shared>,
    admission: Admission,
    bootstrap: SocketAddr,
    sessions: TaskTracker,
    stop: CancellationToken,
    open: Arc<Mutex<BTreeMap<i32, SocketAddr>>>,
    complained: Arc<Mutex<BTreeSet<i32>>>,
}

impl Listeners {
    /// Begins with the bootstrap listener, which is open already.
    pub(super) fn begin(
        shared: Arc<Shared>,
        listener: TcpListener,
        bootstrap: SocketAddr,
        sessions: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let admission = Admission::new(shared.options.limits.connections.clone());
        let (open, complained) = (Arc::default(), Arc::default());
        let listeners = Listeners { shared, admission, bootstrap, sessions, stop, open, complained };
        listeners.accept_on(listener, Target::Bootstrap);
        let room = make_room(listeners.admission.clone(), listeners.shared.connections.clone());
        let stop = listeners.stop.clone();
        listeners.sessions.spawn(async move { stop.run_until_cancelled(room).await });
        listeners
    }

    /// Opens the listeners of brokers that have none yet. What fails is tried again at the next call, and logged once.
    pub(super) async fn open_missing(&self) {
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
                let _ = self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, address);
                self.accept_on(listener, Target::Broker(id));
            }
            Err(error) => {
                if self.first_complaint(id) {
                    tracing::error!(broker = id, %address, %error, "cannot listen for a broker");
                }
            }
        }
    }

    /// Where the listener of a broker is open.
    pub(super) fn address_of(&self, id: i32) -> Option<SocketAddr> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }

    fn first_complaint(&self, id: i32) -> bool {
        self.complained.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }

    fn accept_on(&self, listener: TcpListener, target: Target) {
        let this = self.clone();
        self.sessions.spawn(async move {
            loop {
                tokio::select! {
                    () = this.stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((tcp, peer)) => this.admit(tcp, peer, target),
                        Err(error) => {
                            if let Some(untold) = this.shared.complaints.may_tell("accept") {
                                tracing::warn!(?target, %error, untold, "accept failed");
                            }
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        });
    }

    fn admit(&self, tcp: TcpStream, peer: SocketAddr, target: Target) {
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
            Entry::Admitted(place) => {
                self.sessions.spawn(session(tcp, peer, target, shared, stop, place));
            }
            Entry::Waiting(newcomer) => {
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

    fn turn_away(&self, peer: SocketAddr, target: Target, cause: CloseCause) {
        self.shared.rewriter.metrics.turned_away(cause);
        let cause = cause.label();
        match self.shared.complaints.may_tell(cause) {
            Some(untold) => tracing::warn!(%peer, ?target, cause, untold, "connection limit reached"),
            None => tracing::debug!(%peer, ?target, cause, "connection limit reached"),
        }
    }
}

/// From the handshake on; the place is given up at the end.
async fn session(
    tcp: TcpStream,
    peer: SocketAddr,
    target: Target,
    shared: Arc<Shared>,
    stop: CancellationToken,
    place: Admitted,
) {
    if let Some(stream) = handshake(tcp, peer, target, &shared, &stop).await {
        serve(stream, peer, target, shared, stop).await;
    }
    drop(place);
}
