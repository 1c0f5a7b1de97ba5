//! Runs the gateway as a component: options → [`Gateway`] → [`Gateway::run`] → [`GatewayHandle`].

use std::net::SocketAddr;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use state::model::TopicGuards;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::net::{HostPort, listen};

use crate::gateway::budget::Holder;
use crate::gateway::clock::{GatewayClock, micros};
use crate::gateway::connection::{Connections, OpenConnection};
use crate::gateway::endpoint_map::{Advertised, Brokers};
use crate::gateway::error::GatewayError;
use crate::gateway::guards::Guards;
use crate::gateway::listen::Listeners;
use crate::gateway::listen::broker_discovery::BrokerDirectory;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::options::GatewayOptions;
use crate::gateway::reload::watch_certificates;
use crate::gateway::response::Rewriter;
use crate::gateway::response::share_gaps::ShareGaps;
use crate::gateway::shared::GatewayShared;

/// Minimum interval between two checks for memory to reclaim.
const LEAST_RECLAIM_INTERVAL: std::time::Duration = std::time::Duration::from_millis(5);

/// Gateway that is not running yet.
pub struct Gateway {
    options: GatewayOptions,
    guards: watch::Receiver<Arc<TopicGuards>>,
    directory: Arc<dyn BrokerDirectory>,
    pub(crate) metrics: GatewayMetrics,
    connections: Connections,
}

/// Running gateway. Cheap to clone; dropping it stops nothing.
#[derive(Debug, Clone)]
pub struct GatewayHandle {
    bootstrap: SocketAddr,
    connections: Connections,
    listeners: Listeners,
    tasks: TaskTracker,
}

impl Gateway {
    /// Creates a gateway that learns from `directory` where the brokers are.
    pub fn new(
        options: GatewayOptions,
        directory: Arc<dyn BrokerDirectory>,
        guards: watch::Receiver<Arc<TopicGuards>>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = GatewayMetrics::register(registry);
        Gateway { options, guards, directory, metrics, connections: Connections::default() }
    }

    /// Returns the list of open connections. It is empty until the gateway runs.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Opens the bootstrap listener and goes on in the background until `stop` is cancelled. No broker has to
    /// be reachable, now or later. While none is, clients are turned away.
    ///
    /// # Errors
    /// [`GatewayError::Listen`] if the bootstrap listener cannot be opened.
    pub async fn run(self, stop: CancellationToken) -> Result<GatewayHandle, GatewayError> {
        let Gateway { options, guards, directory, metrics, connections } = self;
        let endpoint = HostPort::new(options.listen_host.clone(), options.listen_port);
        let listen_error = |source| GatewayError::Listen { endpoint: endpoint.clone(), source };
        let listener = listen(&endpoint.host, endpoint.port).await.map_err(listen_error)?;
        let bootstrap = listener.local_addr().map_err(listen_error)?;
        let advertised_port = options.advertised_port.unwrap_or(bootstrap.port());
        let advertised =
            Advertised { bootstrap: HostPort::new(options.advertised_host.clone(), advertised_port) };
        tracing::info!(address = %bootstrap, advertised = %advertised.bootstrap, "gateway listening");

        let interval = options.limits.directory_interval;
        let brokers = Brokers::default();
        let ticks = GatewayClock::start();
        let shared = Arc::new(GatewayShared {
            budgets: metrics.budgets(&options.limits, ticks),
            traffic: metrics.traffic(),
            rewriter: Rewriter {
                advertised,
                guards: Guards::new(guards),
                metrics,
                gaps: ShareGaps::default(),
            },
            options,
            brokers: brokers.clone(),
            connections: connections.clone(),
            log_limiter: Arc::default(),
            ticks,
        });
        let tasks = TaskTracker::new();
        let listeners =
            Listeners::begin(Arc::clone(&shared), listener, bootstrap, tasks.clone(), stop.clone());
        tasks.spawn(watch_certificates(&shared.options, shared.rewriter.metrics.clone(), stop.clone()));
        tasks.spawn(reclaim(Arc::clone(&shared), stop.clone()));
        let watcher = Watcher { directory, brokers, listeners: listeners.clone(), interval };
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = watcher.run() => {}
            }
        });
        let _ = tasks.close();
        Ok(GatewayHandle { bootstrap, connections, listeners, tasks })
    }
}

impl GatewayHandle {
    /// Returns the address of the bootstrap listener.
    #[must_use]
    pub fn bootstrap_address(&self) -> SocketAddr {
        self.bootstrap
    }

    /// Returns the address of a broker's listener, or `None` while there is none.
    #[must_use]
    pub fn broker_address(&self, id: i32) -> Option<SocketAddr> {
        self.listeners.address_of(id)
    }

    /// Returns the list of open connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Returns the number of running tasks: one per listener, one per connection, and those in the
    /// background.
    #[cfg(test)]
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until all tasks have ended, after the token given to [`Gateway::run`] was cancelled.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Reclaims memory from connections while others wait for it.
async fn reclaim(shared: Arc<GatewayShared>, stop: CancellationToken) {
    let timeout = shared.options.limits.reclaim_timeout;
    let interval = (timeout / 4).max(LEAST_RECLAIM_INTERVAL);
    let budgets = &shared.budgets;
    let due = async || {
        // The task does not wake up while nothing waits.
        tokio::select! {
            () = budgets.requests.awaited() => {}
            () = budgets.responses.awaited() => {}
        }
        tokio::time::sleep(interval).await;
    };
    while stop.run_until_cancelled(due()).await.is_some() {
        let all = shared.connections.all();
        for (budget, of) in
            [(&budgets.requests, requests_held as fn(&_) -> _), (&budgets.responses, responses_held)]
        {
            let holders: Vec<_> = all.iter().map(of).collect();
            for at in budget.to_reclaim(&holders, micros(timeout)) {
                all[at].activity.reclaim();
            }
        }
    }
}

fn requests_held(connection: &Arc<OpenConnection>) -> Arc<Holder> {
    Arc::clone(&connection.activity.requests_held)
}

fn responses_held(connection: &Arc<OpenConnection>) -> Arc<Holder> {
    Arc::clone(&connection.activity.responses_held)
}

/// Task that looks up the brokers at intervals.
struct Watcher {
    directory: Arc<dyn BrokerDirectory>,
    brokers: Brokers,
    listeners: Listeners,
    interval: std::time::Duration,
}

impl Watcher {
    async fn run(self) {
        let mut failing = false;
        loop {
            match self.directory.brokers().await {
                Ok(known) => {
                    failing = false;
                    self.brokers.update(known);
                    self.listeners.open_missing().await;
                }
                Err(error) => complain(&mut failing, &error),
            }
            // Until the first answer, clients wait for the directory, so it is asked more often. It is also
            // asked early after a broker was not reachable at its address: that broker has moved or is about
            // to come back. The minimum interval keeps clients that retry at once from causing a flood.
            let least = self.interval / 10;
            tokio::time::sleep(least).await;
            if !failing && !self.brokers.all().is_empty() {
                let _ = tokio::time::timeout(self.interval - least, self.brokers.doubted()).await;
            }
        }
    }
}

/// Logs the error once per outage.
fn complain(failing: &mut bool, error: &dyn std::fmt::Display) {
    if !std::mem::replace(failing, true) {
        tracing::warn!(%error, "cannot look up the brokers of the destination");
    }
}
