//! The mirror engine: one runner per link, and the syncers and probes that serve all links.
pub(crate) mod link_runner;
pub(crate) mod metadata_refresher;
pub(crate) mod running_mirror;

use std::sync::Arc;

use prometheus_client::registry::Registry;
use state::model::link_config::LinkConfig;
use state::store::Store;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::client::Cluster;
use crate::mirror::clearance::{Accepted, ClearanceCell, ClearanceCheck};
use crate::mirror::clusters::SourceClusters;
use crate::mirror::command::Commands;
use crate::mirror::engine::link_runner::{Ended, LinkRunner};
use crate::mirror::metrics::MirrorMetrics;
use crate::mirror::progress::ProgressTable;
use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::sync::configs::ConfigSync;
use crate::mirror::sync::link_probe::LinkProbe;
use crate::mirror::sync::offsets::OffsetSync;
use crate::mirror::sync::per_link::per_link;
use crate::mirror::sync::task_status::TaskTable;

/// Maximum size of the records that all partitions together hold between fetch and append, in bytes.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;

/// Parts that all links share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct EngineShared {
    pub(crate) store: Store,
    pub(crate) destination: Cluster,
    pub(crate) sources: SourceClusters,
    pub(crate) progress: ProgressTable,
    pub(crate) commands: Commands,
    pub(crate) offsets: OffsetSync,
    pub(crate) configs: ConfigSync,
    pub(crate) budget: Arc<ByteBudget>,
}

/// The engine: mirrors the topics that the journal lists.
#[derive(Debug)]
pub struct Engine {
    shared: EngineShared,
    probe: LinkProbe,
    check: ClearanceCheck,
    clearance: ClearanceCell,
}

impl Engine {
    /// Creates an engine that copies to `destination`, and the commands that drive it. `accepted` lists
    /// changes that the operator accepted at the start, and that are refused otherwise.
    #[must_use]
    pub fn new(store: Store, destination: Cluster, accepted: Accepted) -> (Engine, Commands) {
        let clearance = ClearanceCell::default();
        let check = ClearanceCheck::new(store.clone(), destination.clone(), accepted, clearance.clone());
        let (sources, progress, tasks) =
            (SourceClusters::default(), ProgressTable::default(), TaskTable::default());
        let commands = Commands::new(
            store.clone(),
            destination.clone(),
            sources.clone(),
            progress.clone(),
            tasks.clone(),
        )
        .cleared_by(clearance.clone());
        let offsets = OffsetSync::new(
            store.clone(),
            destination.clone(),
            sources.clone(),
            progress.clone(),
            tasks.clone(),
        );
        let configs = ConfigSync::new(store.clone(), destination.clone(), sources.clone(), tasks);
        let probe = LinkProbe::new(store.clone(), sources.clone());
        let budget = Arc::new(ByteBudget::new(BUDGET_BYTES));
        let shared = EngineShared {
            store,
            destination,
            sources,
            progress,
            commands: commands.clone(),
            offsets,
            configs,
            budget,
        };
        (Engine { shared, probe, check, clearance }, commands)
    }

    /// Registers the metric families of links and mirror topics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let EngineShared { store, progress, commands, .. } = &self.shared;
        MirrorMetrics::register(registry, store.clone(), progress.clone(), commands.census().clone());
    }

    /// Runs until `shutdown`, and returns when everything that it started has ended. It works only while the
    /// journal has its clearance.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut check = JoinSet::new();
        let _ = check.spawn(self.check.clone().run(shutdown.clone()));
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.clearance.given() => {}
                Some(ended) = check.join_next() => end_after_panic(&ended, &shutdown),
            }
            let over = shutdown.child_token();
            let mut work = std::pin::pin!(self.work(&over, &shutdown));
            tokio::select! {
                // The work ended by itself: with a part missing, nothing goes on.
                () = &mut work => {
                    shutdown.cancel();
                    break;
                }
                () = self.clearance.withdrawn() => {}
                Some(ended) = check.join_next() => end_after_panic(&ended, &shutdown),
            }
            over.cancel();
            work.await;
        }
        while let Some(ended) = check.join_next().await {
            end_after_panic(&ended, &shutdown);
        }
    }

    /// Works until `over` is cancelled. A panic of a part cancels `shutdown`.
    async fn work(&self, over: &CancellationToken, shutdown: &CancellationToken) {
        let mut tasks = JoinSet::new();
        let _ = tasks.spawn(self.probe.clone().run(over.clone()));
        let _ = tasks.spawn(self.shared.offsets.clone().run(over.clone()));
        let _ = tasks.spawn(self.shared.configs.clone().run(over.clone()));
        let shared = self.shared.clone();
        let runners = per_link(shared.store.clone(), over.clone(), move |name, cancel| {
            let shared = shared.clone();
            async move { run_link(shared, name, cancel).await }
        });
        let _ = tasks.spawn(runners);
        while let Some(ended) = tasks.join_next().await {
            end_after_panic(&ended, shutdown);
        }
    }
}

/// Cancels `shutdown` after a panic: a daemon with a part missing is worse than one that is restarted.
fn end_after_panic(ended: &Result<(), JoinError>, shutdown: &CancellationToken) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        error!("a task of the mirror engine panicked; shutting down");
        shutdown.cancel();
    }
}

async fn run_link(shared: EngineShared, name: String, cancel: CancellationToken) {
    loop {
        let Some(link) = shared.store.view().links.get(&name).cloned() else { return };
        let runner = match LinkConfig::parse(&link.configs) {
            Ok(config) => {
                info!(link = name, "link started");
                LinkRunner::new(shared.clone(), link, &config, &cancel)
            }
            Err(_) => {
                let reason = link.status().message;
                error!(link = name, reason, "the link has failed; its mirror topics can be failed over");
                LinkRunner::of_failed(shared.clone(), link, &reason, &cancel)
            }
        };
        if runner.run(&cancel).await == Ended::Over {
            return;
        }
        info!(link = name, "link configs changed");
    }
}
