//! Commands of operators on links and mirror topics, one file per command.
//!
//! A command checks the request, contacts the clusters where necessary, and writes the journal. It never
//! mirrors: the engine reads the journal and acts on it. Every condition that must hold at the moment of
//! writing is checked inside the transaction, since anything may have changed while a cluster was asked.
pub(crate) mod alter_link_configs;
pub(crate) mod alter_mirrors;
pub(crate) mod create_link;
pub(crate) mod create_mirror;
pub(crate) mod delete_link;
pub(crate) mod finish_create;
pub(crate) mod in_progress;
pub(crate) mod journal;
pub(crate) mod names;
pub(crate) mod new_target;
pub(crate) mod prepare_mirror;
pub(crate) mod refusal;
pub(crate) mod start_offset;
pub(crate) mod types;
pub(crate) mod who;

use std::sync::{Arc, OnceLock};

use state::model::link_config::{self, LinkConfig};
use state::model::{Change, KafkaUuid, Link, LinkState, MirrorState, MirrorTopic, StopKind, View};
use state::store::{Store, TransactError};
use tokio::sync::watch;

use crate::client::{Cluster, ClusterPin, ForeignCluster};
use crate::mirror::clearance::{Clearance, ClearanceCell, DESTINATION_CLUSTER_CHANGED, Fault};
use crate::mirror::clusters::{self, SourceClusters};
use crate::mirror::command::types::CommandError;
use crate::mirror::filler_report::{FillerReport, FillerReports};
use crate::mirror::progress::{PartitionProgress, ProgressTable};
use crate::mirror::stop_waits::StopWait;
use crate::mirror::sync::task_status::TaskStatus;
use crate::mirror::sync::task_status::{self, RoundError, Task, TaskErrorCode, TaskTable};

/// The commands and queries of the mirror side. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commands {
    store: Store,
    destination: Cluster,
    sources: SourceClusters,
    progress: ProgressTable,
    tasks: TaskTable,
    creating: in_progress::Creating,
    census: FillerReports,
    cluster_id: Arc<OnceLock<String>>,
    clearance: ClearanceCell,
}

impl Commands {
    /// Creates the commands of the mirror side in front of `destination`.
    #[must_use]
    pub fn new(
        store: Store,
        destination: Cluster,
        sources: SourceClusters,
        progress: ProgressTable,
        tasks: TaskTable,
    ) -> Self {
        let clearance = ClearanceCell::unchecked();
        let (creating, cluster_id) = (in_progress::Creating::default(), Arc::default());
        let census = FillerReports::new(destination.clone());
        Commands { store, destination, sources, progress, tasks, creating, census, cluster_id, clearance }
    }

    /// Returns these commands with `clearance`: they are refused until it is given.
    #[must_use]
    pub fn cleared_by(self, clearance: ClearanceCell) -> Self {
        Commands { clearance, ..self }
    }

    /// Returns the current view of the journal: all links and mirror topics.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.store.view()
    }

    /// Returns the progress of each partition of a mirror topic, in partition order. Empty if it is not
    /// known.
    #[must_use]
    pub fn progress(&self, topic: &str) -> Vec<PartitionProgress> {
        self.progress.of(topic)
    }

    /// Returns the reason that holds up the stop of a mirror topic, as `view` has it. Returns `None` if the
    /// topic is not being stopped, or nothing holds it up.
    #[must_use]
    pub fn stop_wait(&self, view: &View, mirror: &MirrorTopic) -> Option<StopWait> {
        let MirrorState::PendingStopped { stop } = mirror.state else { return None };
        let link = view.links.get(&mirror.link)?;
        if stop == StopKind::Promote && link.state == LinkState::Paused {
            let reason = format!(
                "link '{}' is paused, but a promote needs its source: resume the link, or fail the topic \
                 over to open it with the records that it has",
                link.name
            );
            return Some(StopWait { reason, since_ms: link.state_ms.max(mirror.state_ms) });
        }
        self.progress.stops().of(&mirror.topic)
    }

    /// Returns the latest census of the filler of a mirror topic, `None` before the first.
    #[must_use]
    pub fn filler(&self, mirror: &MirrorTopic) -> Option<FillerReport> {
        self.census.latest(mirror)
    }

    /// Starts to count the filler of a mirror topic, unless a count is running. Must be called within a tokio
    /// runtime.
    pub fn scan_filler(&self, mirror: &MirrorTopic) -> FillerReport {
        self.census.start(&self.view(), mirror)
    }

    /// Returns the censuses of all mirror topics.
    pub(crate) fn census(&self) -> &FillerReports {
        &self.census
    }

    /// Returns the status of the periodic tasks of a link. Empty if there is no such link.
    #[must_use]
    pub fn tasks(&self, link: &str) -> Vec<TaskStatus> {
        let view = self.view();
        let Some(link) = view.links.get(link) else { return Vec::new() };
        let status = link.status();
        let config = LinkConfig::parse(&link.configs).ok();
        let is_enabled = |task| match task {
            // This version refuses to enable these tasks.
            Task::AclSync | Task::AutoCreateMirror => false,
            Task::ConsumerOffsetSync => config.as_ref().map_or_else(
                || link_config::is_offset_sync_wanted(&link.configs),
                |config| config.offset_sync.enabled,
            ),
            Task::TopicConfigsSync => true,
        };
        Task::ALL
            .iter()
            .copied()
            .map(|task| {
                let errors = match &config {
                    Some(_) => self.tasks.errors(&link.name, task),
                    None => vec![RoundError::new(TaskErrorCode::Misconfiguration, status.message.clone())],
                };
                task_status::status(task, status.state, is_enabled(task), &errors)
            })
            .collect()
    }

    /// Returns the cluster id of the destination, or an empty string until the destination has answered once.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let learnt = self.cluster_id.get().cloned();
        learnt.or_else(|| Some(self.destination.cached()?.cluster_id.clone())).unwrap_or_default()
    }

    /// Returns the current clearance, which says whether the journal may be used.
    #[must_use]
    pub fn clearance(&self) -> Clearance {
        self.clearance.now()
    }

    /// Returns a receiver for the id of Linkgate's own topic on the destination. The id is zero until it is
    /// known.
    #[must_use]
    pub fn own_topic_id(&self) -> watch::Receiver<KafkaUuid> {
        self.clearance.topic_id()
    }

    /// Returns the faults of the destination or the journal that stop all mirroring. An operator must act on
    /// them.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let foreign = self.destination.options().pin.as_ref().and_then(ClusterPin::foreign);
        let refused = match self.clearance.now() {
            Clearance::Refused(fault) => Some(fault),
            Clearance::Awaited | Clearance::Given => None,
        };
        foreign.map(|foreign| wrong_destination(&foreign)).into_iter().chain(refused).collect()
    }

    /// Returns the cluster id of the destination. Asks the destination if it is not known yet.
    ///
    /// # Errors
    /// Fails if the destination does not answer.
    pub async fn learn_cluster_id(&self) -> Result<String, CommandError> {
        if let Some(known) = self.cluster_id.get() {
            return Ok(known.clone());
        }
        let id = clusters::cluster_id(&self.destination)
            .await
            .map_err(|error| refusal::internal(error.to_string()))?;
        Ok(self.cluster_id.get_or_init(|| id).clone())
    }

    /// Writes the changes that `decide` returns for the latest view.
    async fn transact<T: Send + 'static>(
        &self,
        why: &str,
        decide: impl FnOnce(&View, i64) -> Result<(Vec<Change>, T), CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        // The journal may be an old copy: then nothing is added to it, and nothing is done by it.
        match self.clearance.now() {
            Clearance::Given => {}
            Clearance::Awaited => return Err(refusal::not_cleared_yet()),
            Clearance::Refused(fault) => return Err(refusal::not_cleared(fault.message)),
        }
        self.store.transact(&who::name(), why, decide).await.map_err(|error| match error {
            TransactError::Refused(refused) => refused,
            TransactError::Store(error) => {
                tracing::error!(error = %error, why, "a command could not be recorded in the journal");
                refusal::internal(error.to_string())
            }
        })
    }

    /// Returns the link and its parsed configs.
    fn link(&self, name: &str) -> Result<(Link, LinkConfig), CommandError> {
        let view = self.view();
        let link = view.links.get(name).ok_or_else(|| refusal::no_such_link(name))?;
        let config = LinkConfig::parse(&link.configs).map_err(|_| {
            refusal::invalid(format!("Cluster link '{name}' has FAILED. {}", link.status().message))
        })?;
        Ok((link.clone(), config))
    }

    /// Returns the cluster id of the source that `config` names. Fails if the id is not the expected one, or
    /// if the source is the destination itself.
    async fn contact_source(
        &self,
        config: &LinkConfig,
        expected: Option<&str>,
    ) -> Result<String, CommandError> {
        // Log each contact that shows credentials to a server, even if nothing is recorded afterwards.
        new_target::tell(config);
        let source = clusters::connect(config);
        let id = clusters::cluster_id(&source).await.map_err(|error| {
            refusal::source_unusable(format!(
                "Unable to contact the source cluster using the provided properties: {error}"
            ))
        })?;
        if let Some(expected) = expected.filter(|expected| !expected.is_empty() && *expected != id) {
            return Err(refusal::source_unusable(format!(
                "The source cluster at {config} has id '{id}', not the expected id '{expected}'."
            )));
        }
        if id == self.learn_cluster_id().await? {
            return Err(refusal::source_unusable(format!(
                "The source cluster at {config} is the destination cluster itself ('{id}')."
            )));
        }
        Ok(id)
    }

    fn forget_link(&self, name: &str, id: KafkaUuid) {
        self.tasks.forget(name);
        self.sources.forget(id);
    }
}

fn wrong_destination(foreign: &ForeignCluster) -> Fault {
    let ForeignCluster { address, expected, found } = foreign;
    let code = DESTINATION_CLUSTER_CHANGED;
    Fault {
        code,
        message: format!(
            "{code}: broker {address} belongs to cluster '{found}', but the journal belongs to destination \
             cluster '{expected}': nothing is mirrored to it. Make sure that bootstrap.servers and the \
             brokers' names point to '{expected}'; then everything continues by itself. To use the journal \
             with '{found}' instead, where its mirror topics do not exist and are forgotten, start once \
             with --accept-cluster-change {expected}:{found}."
        ),
    }
}
