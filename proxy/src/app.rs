//! Builds all components, connects them, and defines the order in which they start and stop.
//!
//! Start order: journal, admin API (so that probes can reach a daemon that is not ready yet), gateway, mirror
//! engine. The start does not wait for the destination; the daemon becomes ready once the destination has
//! answered. Stop order: gateway (its clients are drained), mirror engine, admin API. One deadline covers the
//! whole stop.

use std::sync::Arc;
use std::time::Duration;

use state::model::{KafkaUuid, TopicGuards};
use state::store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Admin, AdminHandle, ListenError, Readiness};
use crate::client::{ClientOptions, Cluster, ClusterPin, Side};
use crate::config::Config;
use crate::gateway::options::ConnectionLimits;
use crate::gateway::{Gateway, GatewayError, GatewayHandle, GatewayOptions, Limits};
use crate::mirror::Engine;
pub use crate::mirror::clearance::Accepted;
use crate::mirror::clearance::DESTINATION_CLUSTER_CHANGED;
use crate::obs::Metrics;
use crate::shutdown::{Phases, StopSignals, drained};

/// Interval between two searches of the journal for expired records.
const TIDY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Error of a daemon that did not start, or that stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An admin listener cannot be opened.
    #[error(transparent)]
    Admin(#[from] ListenError),
    /// The gateway cannot listen.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The thread of the admin API failed.
    #[error("the admin api ended unexpectedly; see the log")]
    AdminEnded,
    /// The signal handlers cannot be installed.
    #[error("cannot install the signal handlers: {0}")]
    Signals(#[from] std::io::Error),
    /// A thread of the runtime failed.
    #[error("the runtime failed: {0}")]
    Runtime(#[from] tokio::task::JoinError),
    /// The mirror engine ended by itself.
    #[error("the mirror engine ended unexpectedly; see the log")]
    EngineEnded,
    /// A second signal ended the stop early.
    #[error("stopped at once by a second signal")]
    Impatient,
}

/// Runs the daemon until a signal stops it.
///
/// # Errors
/// Fails if the daemon cannot start, if a component fails while it runs, or if a second signal ends the stop
/// early.
pub async fn run(config: Config) -> Result<(), AppError> {
    let mut signals = StopSignals::install()?;
    let running = Running::start(&config).await?;
    let ended_by_itself = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            None
        }
        () = running.engine_ended.cancelled() => Some(AppError::EngineEnded),
        () = running.admin.stopped() => Some(AppError::AdminEnded),
    };
    tokio::select! {
        () = running.stop(config.shutdown_timeout) => {}
        signal = signals.next() => {
            tracing::warn!(signal, "second signal: stopping at once");
            return Err(AppError::Impatient);
        }
    }
    ended_by_itself.map_or(Ok(()), Err)
}

/// All components of a running daemon.
struct Running {
    phases: Phases,
    readiness: Readiness,
    admin: AdminHandle,
    gateway: GatewayHandle,
    /// The engine, and the tasks that watch the journal.
    tasks: TaskTracker,
    /// Cancelled when the engine's task ends, for any reason.
    engine_ended: CancellationToken,
}

impl Running {
    async fn start(config: &Config) -> Result<Running, AppError> {
        let options = config.journal.clone();
        let store = tokio::task::spawn_blocking(move || Store::open_with(&options)).await??;
        let dir = config.journal.dir.display();
        if store.is_new() {
            tracing::warn!(
                %dir,
                "created a new journal. This is expected at a first start only: mirror topics of an earlier \
                 journal are now open for writes"
            );
        }
        tracing::info!(%dir, sequence = store.view().sequence, "journal open");

        let (metrics, readiness, phases) = (Metrics::default(), Readiness::default(), Phases::default());
        let tasks = TaskTracker::new();
        let recorded = store.view().identity.as_ref().map(|known| known.destination_cluster_id.clone());
        let expected = config.accepted.destination(recorded.as_deref().unwrap_or_default());
        let client = ClientOptions {
            security: config.security.clone(),
            pin: Some(ClusterPin::to(&expected, "destination", DESTINATION_CLUSTER_CHANGED)),
            ..ClientOptions::new(Side::Destination)
        };
        let destination = Cluster::new(config.bootstrap_servers.clone(), client);
        let (engine, commands) = Engine::new(store.clone(), destination.clone(), config.accepted.clone());
        metrics.register(|registry| engine.register_metrics(registry));

        let (guards_sender, guards) =
            watch::channel(Arc::new(TopicGuards::of(&store.view(), KafkaUuid::ZERO)));
        let options = gateway_options(config);
        let gateway =
            metrics.register(|registry| Gateway::new(options, Arc::new(destination), guards, registry));
        let clients = gateway.connections();
        let own_topic = commands.own_topic_id();
        let admin = Admin::new(commands, metrics.clone(), readiness.clone(), clients);
        let admin = admin.run(&config.admin, phases.admin.clone()).await?;

        drop(tasks.spawn(keep_guards(store.clone(), own_topic, guards_sender, phases.admin.clone())));
        drop(tasks.spawn(tidy_journal(store.clone(), phases.admin.clone())));
        let gateway = gateway.run(phases.gateway.clone()).await?;
        readiness.gateway_listens();

        let engine_ended = CancellationToken::new();
        // The task owns this guard, so a panic counts as an end, too.
        let ended = engine_ended.clone().drop_guard();
        let stop = phases.engine.clone();
        drop(tasks.spawn(async move {
            engine.run(stop).await;
            drop(ended);
        }));
        let _ = tasks.close();
        Ok(Running { phases, readiness, admin, gateway, tasks, engine_ended })
    }

    /// Stops all components in order, and gives up on each at the deadline.
    async fn stop(self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.readiness.draining();
        self.phases.gateway.cancel();
        let _ = drained("gateway", left(), self.gateway.stopped()).await;
        self.phases.engine.cancel();
        let _ = drained("mirror engine", left(), self.engine_ended.cancelled()).await;
        self.phases.admin.cancel();
        let _ = drained("admin api", left(), self.admin.stopped()).await;
        let _ = drained("journal watchers", left(), self.tasks.wait()).await;
        tracing::info!("stopped");
    }
}

fn gateway_options(config: &Config) -> GatewayOptions {
    let limits = Limits {
        max_request_bytes: config.limits.request_bytes,
        handshake_timeout: config.limits.handshake,
        connections: ConnectionLimits {
            total: config.limits.connections,
            per_address: config.limits.connections_per_ip,
            overrides: config.limits.connections_per_ip_overrides.clone(),
        },
        first_request_timeout: config.limits.first_request_timeout,
        request_arrival_timeout: config.limits.request_arrival_timeout,
        idle_timeout: config.limits.idle_timeout,
        stall_timeout: config.limits.stall_timeout,
        max_age: config.limits.max_age,
        request_buffer_bytes: config.limits.request_buffer_bytes,
        response_buffer_bytes: config.limits.response_buffer_bytes,
        // The other components need a part of the timeout, too.
        drain_timeout: config.shutdown_timeout / 2,
        ..Limits::default()
    };
    // With port 0 the system chooses the port. Clients are then told the chosen port, too.
    let advertised_port = Some(config.advertised.at.port).filter(|port| *port != 0);
    GatewayOptions {
        bootstrap_servers: config.bootstrap_servers.clone(),
        listen_host: config.listener.at.host.clone(),
        listen_port: config.listener.at.port,
        advertised_host: config.advertised.at.host.clone(),
        advertised_port,
        listener_tls: config.listener_tls.clone(),
        sasl: config.security.protocol().has_sasl(),
        broker_tls: config.security.tls().cloned(),
        limits,
    }
}

/// Publishes new guards to the gateway after every change of the journal or of the id of Linkgate's own
/// topic.
async fn keep_guards(
    store: Store,
    mut own_topic: watch::Receiver<KafkaUuid>,
    guards: watch::Sender<Arc<TopicGuards>>,
    stop: CancellationToken,
) {
    let mut news = store.watch();
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = news.changed() => changed,
            changed = own_topic.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let own = *own_topic.borrow_and_update();
        let _ = news.borrow_and_update();
        let _ = guards.send_replace(Arc::new(TopicGuards::of(&store.view(), own)));
    }
}

/// Removes expired records from the journal every hour. Writes to the journal remove them, too; this covers a
/// quiet journal.
async fn tidy_journal(store: Store, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TIDY_INTERVAL)).await.is_some() {
        if let Err(error) = store.tidy().await {
            tracing::warn!(%error, "cannot delete old records from the journal");
        }
    }
}
