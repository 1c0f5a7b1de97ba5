//! HTTP on 8090: the REST v3 API, health, metrics and the OpenAPI document.
//!
//! Owns the admin listeners. Every answer with a body is JSON (metrics aside), errors too; requests are bounded in size. It
//! decides nothing: what is asked goes to the [`Operator`], what is shown comes from its view.

mod call;
mod clients;
mod clusters;
mod filler;
mod health;
mod journal;
mod link_configs;
mod links;
mod mirror_actions;
mod mirror_body;
mod mirrors;
mod openapi;
mod operator;
mod problem;
mod router;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use state::model::{Link, View};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::call::Call;
pub use self::health::Readiness;
pub use self::operator::Operator;
pub use self::problem::Problem;
use crate::config::Listener;
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
}

/// The running admin API.
#[derive(Debug)]
pub struct AdminHandle {
    addresses: Vec<SocketAddr>,
    tasks: TaskTracker,
}

impl<O: Operator> Admin<O> {
    /// The API in front of `operator`; `clients` are those of the gateway.
    pub fn new(operator: O, metrics: Metrics, readiness: Readiness, clients: Connections) -> Self {
        Admin { operator, metrics, readiness, clients }
    }

    /// Opens all listeners and serves until `stop` is cancelled; requests under way are finished.
    ///
    /// # Errors
    /// A listener cannot be opened; none stays open then.
    pub async fn run(
        self,
        listeners: &[Listener],
        stop: CancellationToken,
    ) -> Result<AdminHandle, ListenError> {
        let mut open = Vec::new();
        for listener in listeners {
            let fail = |source| ListenError { listener: listener.clone(), source };
            let bound =
                TcpListener::bind((listener.at.host.as_str(), listener.at.port)).await.map_err(fail)?;
            let address = bound.local_addr().map_err(fail)?;
            open.push((address, bound));
        }
        let (tasks, router) = (TaskTracker::new(), router::router(self));
        let mut addresses = Vec::new();
        for (address, listener) in open {
            tracing::info!(%address, "admin api listening");
            addresses.push(address);
            let (router, stop) = (router.clone(), stop.clone());
            drop(tasks.spawn(async move {
                let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
                if let Err(error) = served.await {
                    tracing::error!(%address, %error, "admin api failed");
                }
            }));
        }
        let _ = tasks.close();
        Ok(AdminHandle { addresses, tasks })
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
    /// Where it listens, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until all requests under way have ended, after the token given to [`Admin::run`] was cancelled.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}
