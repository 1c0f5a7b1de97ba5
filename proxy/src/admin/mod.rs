//! HTTP on 8090: the REST v3 API, health, metrics and the OpenAPI document.
//!
//! Owns the admin listeners and their thread ([`server`]). Every answer with a body is JSON (metrics aside), errors too;
//! requests are bounded in size, time and number. It decides nothing: what is asked goes to the [`Operator`], what is shown
//! comes from its view (docs/adr/0024).

mod audit;
mod call;
mod clients;
mod clusters;
mod filler;
mod front;
mod health;
mod journal;
mod link_configs;
mod links;
mod mirror_actions;
mod mirror_body;
mod mirrors;
mod openapi;
mod operator;
mod patience;
mod problem;
mod pulse;
mod router;
mod seats;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use state::model::{Link, View};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::call::Call;
use self::front::Front;
pub use self::health::Readiness;
pub use self::operator::Operator;
pub use self::problem::Problem;
use self::pulse::Pulse;
use self::server::Open;
use crate::config::{AdminListeners, Listener};
use crate::gateway::Connections;
use crate::obs::Metrics;

/// An admin listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("admin listener {listener}: {source}")]
pub struct ListenError {
    listener: Listener,
    source: std::io::Error,
}

/// What every request may use.
#[derive(Clone)]
pub struct Admin<O> {
    operator: O,
    metrics: Metrics,
    readiness: Readiness,
    clients: Connections,
    pulse: Pulse,
    /// The runtime that does the work.
    workers: Handle,
    /// Metrics that are made at a time: of a large cluster they take much memory.
    scrapes: Arc<Semaphore>,
}

/// The running admin API.
#[derive(Debug)]
pub struct AdminHandle {
    addresses: Vec<SocketAddr>,
    ended: CancellationToken,
}

impl<O: Operator> Admin<O> {
    /// The API in front of `operator`; `clients` are those of the gateway. Must be called within the tokio runtime that
    /// carries out what is asked.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(operator: O, metrics: Metrics, readiness: Readiness, clients: Connections) -> Self {
        let (pulse, workers) = (Pulse::default(), Handle::current());
        let scrapes = Arc::new(Semaphore::new(health::MAX_SCRAPES));
        Admin { operator, metrics, readiness, clients, pulse, workers, scrapes }
    }

    /// Opens all listeners and serves until `stop` is cancelled; requests under way are finished.
    ///
    /// # Errors
    /// A listener cannot be opened; none stays open then.
    pub async fn run(
        self,
        listeners: &AdminListeners,
        stop: CancellationToken,
    ) -> Result<AdminHandle, ListenError> {
        let front = Front::new(self.workers.clone(), listeners.hosts.clone());
        let control = (&listeners.control, router::control(self.clone(), front));
        let metrics = (&listeners.metrics, router::metrics(self.clone()));
        let mut open = Vec::new();
        for (listeners, router) in [control, metrics] {
            for listener in listeners {
                let fail = |source| ListenError { listener: listener.clone(), source };
                let (listener, address) = bind(listener).await.map_err(fail)?;
                open.push(Open { listener, address, router: router.clone() });
            }
        }
        let addresses = open.iter().map(|open| open.address).collect();
        drop(self.workers.spawn(self.pulse.clone().beat(stop.clone())));
        let fail = |source| {
            let listener = listeners.control.first().cloned();
            ListenError { listener: listener.unwrap_or_else(|| Listener::plaintext("", 0)), source }
        };
        let ended = server::start(open, self.pulse, stop).map_err(fail)?;
        Ok(AdminHandle { addresses, ended })
    }

    /// Id of the destination cluster, once it has answered.
    fn known_cluster(&self) -> Result<String, Problem> {
        let id = self.operator.cluster_id();
        if id.is_empty() { Err(Problem::not_ready()) } else { Ok(id) }
    }

    /// The same, when the path names that cluster.
    fn cluster(&self, call: &Call) -> Result<String, Problem> {
        let (id, asked) = (self.known_cluster()?, call.param("cluster"));
        if asked == id { Ok(id) } else { Err(Problem::no_such_cluster(asked)) }
    }

    /// The link that the path names, and the view it is in.
    fn link(&self, call: &Call) -> Result<(Arc<View>, Link), Problem> {
        let (view, name) = (self.operator.view(), call.param("link"));
        let link = view.links.get(name).cloned().ok_or_else(|| Problem::no_such_link(name))?;
        Ok((view, link))
    }
}

impl AdminHandle {
    /// Where it listens, in the order of the configuration; those for metrics last.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until the API is no longer served: after the token given to [`Admin::run`] was cancelled and all requests under
    /// way have ended, or because its thread failed.
    pub async fn stopped(&self) {
        self.ended.cancelled().await;
    }
}

/// Binds a listener for another runtime than the present one.
async fn bind(listener: &Listener) -> std::io::Result<(std::net::TcpListener, SocketAddr)> {
    let bound = TcpListener::bind((listener.at.host.as_str(), listener.at.port)).await?;
    let address = bound.local_addr()?;
    Ok((bound.into_std()?, address))
}
