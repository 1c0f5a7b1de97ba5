//! The admin API (HTTP, port 8090 by default): REST v3, health, metrics and the OpenAPI document.
//!
//! It owns the admin listeners and their thread ([`server`]). Every response with a body is JSON, also for
//! errors; the only exception is metrics. Requests are bounded in size, time and number. It makes no
//! decisions: it passes commands to the [`Operator`] and shows the operator's view (docs/adr/0024).

pub(crate) mod audit;
pub(crate) mod call;
pub(crate) mod clients;
pub(crate) mod clusters;
pub(crate) mod filler;
pub(crate) mod front;
pub(crate) mod health;
pub(crate) mod journal;
pub(crate) mod link_configs;
pub(crate) mod links;
pub(crate) mod mirror_actions;
pub(crate) mod mirror_body;
pub(crate) mod mirrors;
pub(crate) mod openapi;
pub(crate) mod operations;
pub(crate) mod operator;
pub(crate) mod page;
pub(crate) mod patience;
pub(crate) mod problem;
pub(crate) mod pulse;
pub(crate) mod router;
pub(crate) mod seats;
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::listen;
use state::model::{Link, View};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use self::health::Readiness;
pub(crate) use self::operator::Operator;
pub(crate) use self::problem::Problem;
use crate::admin::call::Call;
use crate::admin::front::Front;
use crate::admin::pulse::Pulse;
use crate::admin::server::Open;
use crate::config::{AdminListeners, Listener};
use crate::gateway::Connections;
use crate::obs::Metrics;

/// Error of an admin listener that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("admin listener {listener}: {source}")]
pub struct ListenError {
    listener: Listener,
    source: std::io::Error,
}

/// State shared by all requests.
#[derive(Clone)]
pub(crate) struct Admin<O> {
    operator: O,
    metrics: Metrics,
    readiness: Readiness,
    clients: Connections,
    pulse: Pulse,
    /// The runtime that executes requests.
    workers: Handle,
    /// Limits concurrent renderings of the metrics: with a large cluster each needs much memory.
    scrapes: Arc<Semaphore>,
}

/// Handle of the running admin API.
#[derive(Debug)]
pub(crate) struct AdminHandle {
    #[cfg(test)]
    addresses: Vec<SocketAddr>,
    ended: CancellationToken,
}

impl<O: Operator> Admin<O> {
    /// Makes the API in front of `operator`. `clients` are the client connections of the gateway. Must be
    /// called within the tokio runtime that will execute the requests.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(crate) fn new(operator: O, metrics: Metrics, readiness: Readiness, clients: Connections) -> Self {
        let (pulse, workers) = (Pulse::default(), Handle::current());
        let scrapes = Arc::new(Semaphore::new(health::MAX_SCRAPES));
        Admin { operator, metrics, readiness, clients, pulse, workers, scrapes }
    }

    /// Opens all listeners and serves until `stop` is cancelled. Requests in progress are finished.
    ///
    /// # Errors
    /// Fails if a listener cannot be opened. All listeners are closed then.
    pub(crate) async fn run(
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
        #[cfg(test)]
        let addresses = open.iter().map(|open| open.address).collect();
        drop(self.workers.spawn(self.pulse.clone().beat(stop.clone())));
        let fail = |source| {
            let listener = listeners.control.first().cloned();
            ListenError { listener: listener.unwrap_or_else(|| Listener::plaintext("", 0)), source }
        };
        let ended = server::start(open, self.pulse, stop).map_err(fail)?;
        Ok(AdminHandle {
            #[cfg(test)]
            addresses,
            ended,
        })
    }

    /// Returns the id of the destination cluster; fails until the destination has answered once.
    fn known_cluster(&self) -> Result<String, Problem> {
        let id = self.operator.cluster_id();
        if id.is_empty() { Err(Problem::not_ready()) } else { Ok(id) }
    }

    /// Returns the id of the destination cluster if the path names that cluster.
    fn cluster(&self, call: &Call) -> Result<String, Problem> {
        let (id, asked) = (self.known_cluster()?, call.param("cluster"));
        if asked == id { Ok(id) } else { Err(Problem::no_such_cluster(asked)) }
    }

    /// Returns the link that the path names, and its view.
    fn link(&self, call: &Call) -> Result<(Arc<View>, Link), Problem> {
        let (view, name) = (self.operator.view(), call.param("link"));
        let link = view.links.get(name).cloned().ok_or_else(|| Problem::no_such_link(name))?;
        Ok((view, link))
    }
}

impl AdminHandle {
    /// Returns the addresses of the listeners, in the order of the configuration; those for metrics come
    /// last.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until the API is no longer served: the token given to [`Admin::run`] was cancelled and all
    /// requests in progress have ended, or the thread failed.
    pub(crate) async fn stopped(&self) {
        self.ended.cancelled().await;
    }
}

/// Binds a listener for use in another runtime.
async fn bind(listener: &Listener) -> std::io::Result<(std::net::TcpListener, SocketAddr)> {
    let bound = listen(&listener.at.host, listener.at.port).await?;
    let address = bound.local_addr()?;
    Ok((bound.into_std()?, address))
}
