//! The mirror engine: one runner per link, and the syncers and probes that serve all links.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use state::model::link_config::LinkConfig;
use state::store::Store;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::budget::ByteBudget;
use super::clearance::{Accepted, ClearanceCell, ClearanceCheck};
use super::command::Commands;
use super::config_sync::ConfigSync;
use super::link_probe::LinkProbe;
use super::link_runner::{Ended, LinkRunner};
use super::metrics::MirrorMetrics;
use super::offset_sync::OffsetSync;
use super::per_link::per_link;
use super::progress::ProgressTable;
use super::source_clusters::SourceClusters;
use super::task_status::TaskTable;
use crate::client::Cluster;

/// Record bytes that all partitions hold together between fetch and append.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;

/// What all links share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) destination: Cluster,
    pub(super) sources: SourceClusters,
    pub(super) progress: ProgressTable,
    pub(super) commands: Commands,
    pub(super) offsets: OffsetSync,
    pub(super) configs: ConfigSync,
    pub(super) budget: Arc<ByteBudget>,
}

/// Mirrors what the journal says is to be mirrored.
#[derive(Debug)]
pub struct Engine {
    shared: Shared,
    probe: LinkProbe,
    check: ClearanceCheck,
    clearance: ClearanceCell,
}

impl Engine {
    /// An engine that copies to `destination`, and the commands that drive it. `accepted` is what the operator said at
    /// the start about changes that are refused otherwise.
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
        let shared = Shared {
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
        let Shared { store, progress, commands, .. } = &self.shared;
        MirrorMetrics::register(registry, store.clone(), progress.clone(), commands.census().clone());
    }

    /// Runs until `shutdown`; returns when everything that it started has ended. Works while the journal has the
    /// clearance.
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
                // By itself: with a part missing, nothing goes on.
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

    /// Works until `over`; a panic of a part cancels `shutdown`.
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

/// A daemon with a part missing is worse than one that is restarted.
fn end_after_panic(ended: &Result<(), JoinError>, shutdown: &CancellationToken) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        error!("a task of the mirror engine panicked; shutting down");
        shutdown.cancel();
    }
}

async fn run_link(shared: Shared, name: String, cancel: CancellationToken) {
    loop {
        let Some(link) = shared.store.view().links.get(&name).cloned() else { return };
        let runner = match LinkConfig::parse(&link.configs) {
            Ok(config) => {
                info!(link = name, "link is at work");
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
