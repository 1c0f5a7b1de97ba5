//! Topic configs follow the source.
//!
//! Every `topic.config.sync.ms` the configs of the link's source topics are compared with those of their mirrors, and the
//! differences among the followed ones are altered on the destination; [`synced_configs`] decides which. When the
//! destination refuses a value, the others still go through, one by one, and the refused one is reported on the task.
//!
//! A source topic that has more partitions than its mirror is reported too: the mirror gets them soon, and this is where an
//! operator looks when it does not.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use state::model::link_config::LinkConfig;
use state::model::{LinkState, MirrorTopic};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use super::offset_sync::follows_source;
use super::per_link::{in_rounds, link_and_mirror};
use super::source_clusters::SourceClusters;
use super::synced_configs::{self, ConfigChange};
use super::task_status::{Task, TaskError, TaskErrorCode, TaskTable};
use super::topic::are_its_topics;
use super::topic_admin;
use super::turns::Turns;
use crate::client::{ClientError, Cluster};
use crate::wire::error_code::ErrorCode;

/// Why the configs of a mirror topic could not be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configs of topic '{topic}' are not in step: {reason}")]
pub struct ConfigSyncError {
    /// The mirror topic.
    pub topic: String,
    /// What went wrong first.
    pub reason: String,
}

/// Makes the configs of mirror topics follow their sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigSync {
    store: Store,
    destination: Cluster,
    sources: SourceClusters,
    tasks: TaskTable,
    turns: Turns,
    /// Mirrors whose topics have the source's configs already, since a promote is about to open them.
    opening: Arc<Mutex<HashSet<Opening>>>,
}

impl ConfigSync {
    /// A syncer for all links of the store.
    #[must_use]
    pub fn new(store: Store, destination: Cluster, sources: SourceClusters, tasks: TaskTable) -> Self {
        ConfigSync { store, destination, sources, tasks, turns: Turns::default(), opening: Arc::default() }
    }

    /// Syncs every link in its own rhythm until shut down.
    pub async fn run(self, shutdown: CancellationToken) {
        let store = self.store.clone();
        let period = |config: &LinkConfig| config.topic_config_sync.period;
        in_rounds(store, shutdown, period, move |name| {
            let sync = self.clone();
            async move { sync.run_once(&name).await }
        })
        .await;
    }

    /// One round for one link. What went wrong stands in the task table.
    pub async fn run_once(&self, name: &str) {
        let _turn = self.turns.take(name).await;
        // Before the view: a topic that is open in the view was opening, or open, then.
        let opening = self.opening().clone();
        let view = self.store.view();
        let Some(link) = view.links.get(name).filter(|link| link.state == LinkState::Active) else { return };
        let Ok(config) = LinkConfig::parse(&link.configs) else { return };
        let mirrors: Vec<&MirrorTopic> = view
            .mirrors_of(name)
            .filter(|mirror| follows_source(mirror) && !opening.contains(&opening_of(mirror)))
            .collect();
        let mut errors = Vec::new();
        if !mirrors.is_empty() {
            let source = self.sources.of(link, &config);
            let round = self.round(&source, &mirrors, &include(&config)).await;
            errors =
                round.unwrap_or_else(|error| vec![TaskError::of("topic configs cannot be read", &error)]);
        }
        self.tasks.set(name, Task::TopicConfigsSync, errors);
    }

    /// Brings the configs of one mirror topic up to date a last time, and gives those that Linkgate owned while it
    /// mirrored the values of the source.
    ///
    /// # Errors
    /// The source could not be read, or the destination did not take a value.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Result<(), ConfigSyncError> {
        let _turn = self.turns.take(link).await;
        let fail = |reason: String| ConfigSyncError { topic: topic.to_owned(), reason };
        let view = self.store.view();
        let (link, config, mirror) =
            link_and_mirror(&view, link, topic).map_err(|reason| fail(reason.to_owned()))?;
        let source = self.sources.of(link, &config);
        let (there, here) = tokio::try_join!(
            topic_admin::configs(&source, &mirror.source_topic),
            topic_admin::configs(&self.destination, &mirror.topic),
        )
        .map_err(|error| fail(error.to_string()))?;
        let _ = self.opening().insert(opening_of(mirror));
        let changes = synced_configs::at_promote(&there, &here, &include(&config));
        match self.alter(mirror, &changes).await.into_iter().next() {
            Some(error) => Err(fail(error.message)),
            None => Ok(()),
        }
    }

    /// Whether the last sync of a topic has begun: from then on its configs may be the source's, and nothing may be
    /// appended.
    #[must_use]
    pub fn is_opening(&self, mirror: &MirrorTopic) -> bool {
        self.opening().contains(&opening_of(mirror))
    }

    /// The topic is open.
    pub fn opened(&self, mirror: &MirrorTopic) {
        let _ = self.opening().remove(&opening_of(mirror));
    }

    fn opening(&self) -> MutexGuard<'_, HashSet<Opening>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn round(
        &self,
        source: &Cluster,
        mirrors: &[&MirrorTopic],
        include: &BTreeSet<String>,
    ) -> Result<Vec<TaskError>, ClientError> {
        let there: Vec<String> = mirrors.iter().map(|mirror| mirror.source_topic.clone()).collect();
        let here: Vec<String> = mirrors.iter().map(|mirror| mirror.topic.clone()).collect();
        let (there, here, metadata) = tokio::try_join!(
            topic_admin::configs_of_all(source, &there),
            topic_admin::configs_of_all(&self.destination, &here),
            source.metadata(Some(&there)),
        )?;
        let mut errors = Vec::new();
        for mirror in mirrors.iter().filter(|mirror| are_its_topics(mirror, source, &self.destination)) {
            let present = metadata.topic(&mirror.source_topic).map_or(0, |topic| topic.partitions.len());
            errors.extend(partitions_added(mirror, present));
            match (there.get(&mirror.source_topic), here.get(&mirror.topic)) {
                (Some(Ok(there)), Some(Ok(here))) => {
                    let changes = synced_configs::while_mirroring(there, here, include);
                    errors.extend(self.alter(mirror, &changes).await);
                }
                (Some(Err(error)), _) => errors.push(unread(&mirror.source_topic, error)),
                (_, Some(Err(error))) => errors.push(unread(&mirror.topic, error)),
                (None, _) | (_, None) => {}
            }
        }
        Ok(errors)
    }

    /// Alters configs of a mirror topic; values that the destination refuses come back as errors.
    async fn alter(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<TaskError> {
        if changes.is_empty() {
            return Vec::new();
        }
        match topic_admin::alter_configs(&self.destination, &mirror.topic, changes).await {
            Ok(()) => {
                log_altered(mirror, changes);
                Vec::new()
            }
            Err(error) if refuses_values(error.code()) => self.alter_one_by_one(mirror, changes).await,
            Err(error) => {
                let what = format!("configs of topic '{}' cannot be altered", mirror.topic);
                vec![TaskError::of(&what, &error)]
            }
        }
    }

    async fn alter_one_by_one(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<TaskError> {
        let mut errors = Vec::new();
        for change in changes {
            let one = std::slice::from_ref(change);
            match topic_admin::alter_configs(&self.destination, &mirror.topic, one).await {
                Ok(()) => log_altered(mirror, one),
                Err(error) => errors.push(TaskError::of(
                    &format!("config '{}' of topic '{}' cannot follow the source", change.name, mirror.topic),
                    &error,
                )),
            }
        }
        errors
    }
}

/// Link, topic and generation: a mirror that is made anew under its name is another one.
type Opening = (String, String, u32);

fn opening_of(mirror: &MirrorTopic) -> Opening {
    (mirror.link.clone(), mirror.topic.clone(), mirror.generation)
}

/// The followed names of a link.
pub(super) fn include(config: &LinkConfig) -> BTreeSet<String> {
    config.topic_config_sync.include.iter().cloned().collect()
}

fn refuses_values(code: Option<ErrorCode>) -> bool {
    matches!(code, Some(ErrorCode::INVALID_CONFIG | ErrorCode::INVALID_REQUEST | ErrorCode::POLICY_VIOLATION))
}

fn log_altered(mirror: &MirrorTopic, changes: &[ConfigChange]) {
    for change in changes {
        let value = change.value.as_deref().unwrap_or("(inherited)");
        tracing::info!(
            link = %mirror.link, topic = %mirror.topic, config = %change.name, value,
            "topic config follows the source"
        );
    }
}

fn unread(topic: &str, error: &ClientError) -> TaskError {
    TaskError::of(&format!("configs of topic '{topic}' cannot be read"), error)
}

fn partitions_added(mirror: &MirrorTopic, on_source: usize) -> Option<TaskError> {
    (on_source > mirror.partitions as usize).then(|| {
        TaskError::new(
            TaskErrorCode::InvalidRequest,
            format!(
                "source topic '{}' has {on_source} partitions, mirror topic '{}' has {}: the added ones are not mirrored yet",
                mirror.source_topic, mirror.topic, mirror.partitions
            ),
        )
    })
}
