//! What operators ask of links and mirror topics: one file per command.
//!
//! A command checks what is asked, contacts the clusters where it must, and writes the journal. It never mirrors: the
//! engine sees the journal and does what it says. Everything that must hold at the moment of writing is checked inside
//! the transaction, since anything may have happened while a cluster was asked.

mod alter_link_configs;
mod alter_mirrors;
mod create_link;
mod create_mirror;
mod creating;
mod delete_link;
mod finish_create;
mod journal;
mod names;
mod new_target;
mod prepare_mirror;
pub(crate) mod refusal;
pub(crate) mod who;

use std::sync::{Arc, OnceLock};

use state::model::link_config::{self, LinkConfig};
use state::model::{Change, KafkaUuid, Link, LinkState, MirrorState, MirrorTopic, Stop, View};
use state::store::{Store, TransactError};
use tokio::sync::watch;

use super::clearance::{Clearance, ClearanceCell, DESTINATION_CLUSTER_CHANGED, Fault};
use super::filler_census::{Census, FillerCensus};
use super::handle::{CommandError, TaskStatus};
use super::progress::{PartitionProgress, ProgressTable};
use super::source_clusters::{self, SourceClusters};
use super::stop_waits::StopWait;
use super::task_status::{self, Task, TaskError, TaskErrorCode, TaskTable};
use crate::client::{Cluster, ClusterPin, ForeignCluster};

pub use self::finish_create::FinishCreateError;

/// The commands, and what one may ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commands {
    store: Store,
    destination: Cluster,
    sources: SourceClusters,
    progress: ProgressTable,
    tasks: TaskTable,
    creating: creating::Creating,
    census: FillerCensus,
    cluster_id: Arc<OnceLock<String>>,
    clearance: ClearanceCell,
}

impl Commands {
    /// The commands of the mirror side in front of `destination`.
    #[must_use]
    pub fn new(
        store: Store,
        destination: Cluster,
        sources: SourceClusters,
        progress: ProgressTable,
        tasks: TaskTable,
    ) -> Self {
        let clearance = ClearanceCell::unchecked();
        let (creating, cluster_id) = (creating::Creating::default(), Arc::default());
        let census = FillerCensus::new(destination.clone());
        Commands { store, destination, sources, progress, tasks, creating, census, cluster_id, clearance }
    }

    /// The same commands, refused while `clearance` is not given.
    #[must_use]
    pub fn cleared_by(self, clearance: ClearanceCell) -> Self {
        Commands { clearance, ..self }
    }

    /// All links and mirror topics.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.store.view()
    }

    /// How far the partitions of a mirror topic are, in partition order; empty when not known.
    #[must_use]
    pub fn progress(&self, topic: &str) -> Vec<PartitionProgress> {
        self.progress.of(topic)
    }

    /// What holds up the stop of a mirror topic, as `view` has it; `None` when it is not being stopped, or nothing does.
    #[must_use]
    pub fn stop_wait(&self, view: &View, mirror: &MirrorTopic) -> Option<StopWait> {
        let MirrorState::PendingStopped { stop } = mirror.state else { return None };
        let link = view.links.get(&mirror.link)?;
        if stop == Stop::Promote && link.state == LinkState::Paused {
            let reason = format!(
                "link '{}' is paused, and a promote asks its source: let the link go on, or fail the topic over to open it \
                 with what it has",
                link.name
            );
            return Some(StopWait { reason, since_ms: link.state_ms.max(mirror.state_ms) });
        }
        self.progress.stops().of(&mirror.topic)
    }

    /// The latest census of the filler of a mirror topic; `None` before the first.
    #[must_use]
    pub fn filler(&self, mirror: &MirrorTopic) -> Option<Census> {
        self.census.latest(mirror)
    }

    /// Begins to count the filler of a mirror topic, unless that is under way. Must be called within a tokio runtime.
    pub fn scan_filler(&self, mirror: &MirrorTopic) -> Census {
        self.census.start(&self.view(), mirror)
    }

    /// The censuses of all mirror topics.
    pub(super) fn census(&self) -> &FillerCensus {
        &self.census
    }

    /// How the periodic tasks of a link fare; empty when there is no such link.
    #[must_use]
    pub fn tasks(&self, link: &str) -> Vec<TaskStatus> {
        let view = self.view();
        let Some(link) = view.links.get(link) else { return Vec::new() };
        let status = link.status();
        let config = LinkConfig::parse(&link.configs).ok();
        let is_enabled = |task| match task {
            // This version refuses to switch these on.
            Task::AclSync | Task::AutoCreateMirror => false,
            Task::ConsumerOffsetSync => config.as_ref().map_or_else(
                || link_config::is_offset_sync_wanted(&link.configs),
                |config| config.offset_sync.enabled,
            ),
            Task::TopicConfigsSync => true,
        };
        Task::ALL
            .into_iter()
            .map(|task| {
                let errors = match &config {
                    Some(_) => self.tasks.errors(&link.name, task),
                    None => vec![TaskError::new(TaskErrorCode::Misconfiguration, status.message.clone())],
                };
                task_status::status(task, status.state, is_enabled(task), &errors)
            })
            .collect()
    }

    /// Cluster id of the destination; empty until it has answered once.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let learnt = self.cluster_id.get().cloned();
        learnt.or_else(|| Some(self.destination.cached()?.cluster_id.clone())).unwrap_or_default()
    }

    /// Whether the journal may be worked by.
    #[must_use]
    pub fn clearance(&self) -> Clearance {
        self.clearance.now()
    }

    /// Id of Linkgate's own topic on the destination, as it becomes known; zero before.
    #[must_use]
    pub fn own_topic_id(&self) -> watch::Receiver<KafkaUuid> {
        self.clearance.topic_id()
    }

    /// What is wrong with the destination or the journal, so that nothing is mirrored; somebody has to do something
    /// about it.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let foreign = self.destination.options().pin.as_ref().and_then(ClusterPin::foreign);
        let refused = match self.clearance.now() {
            Clearance::Refused(fault) => Some(fault),
            Clearance::Awaited | Clearance::Given => None,
        };
        foreign.map(|foreign| wrong_destination(&foreign)).into_iter().chain(refused).collect()
    }

    /// Asks the destination for its cluster id, unless it is known already.
    ///
    /// # Errors
    /// The destination does not answer.
    pub async fn learn_cluster_id(&self) -> Result<String, CommandError> {
        if let Some(known) = self.cluster_id.get() {
            return Ok(known.clone());
        }
        let id = source_clusters::cluster_id(&self.destination)
            .await
            .map_err(|error| refusal::internal(error.to_string()))?;
        Ok(self.cluster_id.get_or_init(|| id).clone())
    }

    /// Writes what `decide` says, on the latest view.
    async fn transact<T: Send + 'static>(
        &self,
        why: &str,
        decide: impl FnOnce(&View, i64) -> Result<(Vec<Change>, T), CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        // Nothing is added to a journal that may be an old copy, and nothing done by it.
        match self.clearance.now() {
            Clearance::Given => {}
            Clearance::Awaited => return Err(refusal::not_cleared_yet()),
            Clearance::Refused(fault) => return Err(refusal::not_cleared(fault.message)),
        }
        self.store.transact(&who::name(), why, decide).await.map_err(|error| match error {
            TransactError::Refused(refused) => refused,
            TransactError::Store(error) => {
                tracing::error!(error = %error, why, "a command is not journaled");
                refusal::internal(error.to_string())
            }
        })
    }

    /// The link and its configs.
    fn link(&self, name: &str) -> Result<(Link, LinkConfig), CommandError> {
        let view = self.view();
        let link = view.links.get(name).ok_or_else(|| refusal::no_such_link(name))?;
        let config = LinkConfig::parse(&link.configs).map_err(|_| {
            refusal::invalid(format!("Cluster link '{name}' has FAILED. {}", link.status().message))
        })?;
        Ok((link.clone(), config))
    }

    /// The cluster id of the source that `config` names, once it is sure that mirroring it makes sense.
    async fn contact_source(
        &self,
        config: &LinkConfig,
        expected: Option<&str>,
    ) -> Result<String, CommandError> {
        // Whoever is shown credentials leaves a trace, also when nothing is recorded afterwards.
        new_target::tell(config);
        let source = source_clusters::connect(config);
        let id = source_clusters::cluster_id(&source).await.map_err(|error| {
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
            "{code}: broker {address} belongs to cluster '{found}', and the journal is of destination cluster '{expected}': \
             nothing is mirrored to it. See to it that bootstrap.servers and the brokers' names lead to '{expected}'; \
             everything goes on by itself then. If the journal is to go on with '{found}', where its mirror topics do not \
             exist and are forgotten, start once with --accept-cluster-change {expected}:{found}."
        ),
    }
}
