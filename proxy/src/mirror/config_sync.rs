//! Topic configs follow the source.
//!
//! Every `topic.config.sync.ms` the configs of the link's source topics are compared with those of their mirrors, and the
//! differences among the followed ones are altered on the destination; [`synced_configs`] decides which. When the
//! destination refuses a value, the others still go through, one by one, and the refused one is reported on the task.
//!
//! A source topic that has more partitions than its mirror is reported too: the mirror gets them soon, and this is where an
//! operator looks when it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use state::model::link_config::{LinkConfig, OWNED};
use state::model::{Change, LinkState, MirrorTopic, View};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use super::offset_sync::follows_source;
use super::per_link::{in_rounds, link_and_mirror};
use super::refused_config::Refused;
use super::source_clusters::{NotTheSource, SourceClusters, fresh_topic};
use super::synced_configs::{self, ConfigChange, TopicConfig, TopicConfigs};
use super::task_status::{Task, TaskError, TaskErrorCode, TaskTable};
use super::topic::are_its_topics;
use super::topic_admin;
use super::turns::Turns;
use crate::client::{ClientError, Cluster};
use crate::wire::error_code::ErrorCode;

/// A config that the controller accepted is known to the brokers by then.
const LEARNT_WITHIN: Duration = Duration::from_millis(500);

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
}

impl ConfigSync {
    /// A syncer for all links of the store.
    #[must_use]
    pub fn new(store: Store, destination: Cluster, sources: SourceClusters, tasks: TaskTable) -> Self {
        ConfigSync { store, destination, sources, tasks, turns: Turns::default() }
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
        let view = self.store.view();
        let Some(link) = view.links.get(name).filter(|link| link.state == LinkState::Active) else { return };
        let Ok(config) = LinkConfig::parse(&link.configs) else { return };
        let mirrors: Vec<&MirrorTopic> =
            view.mirrors_of(name).filter(|mirror| follows_source(mirror)).collect();
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
    /// mirrored the values of the source. Returns what the destination refused; the rest is in force.
    ///
    /// # Errors
    /// A cluster does not answer.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Result<Vec<TaskError>, ConfigSyncError> {
        let fail = |reason: String| ConfigSyncError { topic: topic.to_owned(), reason };
        let view = self.store.view();
        let (link, config, mirror) =
            link_and_mirror(&view, link, topic).map_err(|reason| fail(reason.to_owned()))?;
        // What a periodic round began to alter before the stop is answered by then, and no other begins: what is read
        // now stays.
        drop(self.turns.take(&link.name).await);
        let source = self.sources.of(link, &config);
        let mut refused = Vec::new();
        let (there, here) = tokio::join!(
            topic_admin::configs(&source, &mirror.source_topic),
            topic_admin::configs(&self.destination, &mirror.topic),
        );
        let here = here.map_err(|error| fail(error.to_string()))?;
        // Asked behind them: an id that is there now was there before.
        let is_gone = match fresh_topic(&source, mirror).await {
            Err(gone @ (NotTheSource::Missing(_) | NotTheSource::Other { .. })) => Some(gone),
            Err(unsure @ NotTheSource::Disputed { .. }) => return Err(fail(unsure.to_string())),
            // Who does not tell the topic may tell its configs.
            Ok(_) | Err(NotTheSource::Unanswered(_)) => None,
        };
        let there = match (is_gone, there) {
            (Some(why), _) => {
                refused.push(not_followed(mirror, &why));
                last_known(mirror)
            }
            (None, Ok(there)) => there,
            (None, Err(error)) if error.retriable() => return Err(fail(error.to_string())),
            // It will not tell them; what it told before has to do.
            (None, Err(error)) => {
                refused.push(unread(&mirror.source_topic, &error));
                last_known(mirror)
            }
        };
        let changes = synced_configs::at_promote(&there, &here, &include(&config));
        let (more, passing) = self.alter_at_last(mirror, &changes).await;
        if let Some(error) = passing {
            return Err(fail(error));
        }
        refused.extend(more);
        self.tasks.add(&link.name, Task::TopicConfigsSync, refused.clone());
        Ok(refused)
    }

    /// Gives the configs that Linkgate owned while it mirrored the values that the source had when it was last heard of. Needs
    /// no source. Returns what could not be done.
    pub async fn give_back(&self, mirror: &MirrorTopic) -> Vec<TaskError> {
        if mirror.source_configs.is_empty() {
            let message = format!(
                "the source's values of the configs that Linkgate owns while it mirrors ({}) were never seen: topic '{}' keeps Linkgate's",
                OWNED.join(", "),
                mirror.topic
            );
            return vec![TaskError::new(TaskErrorCode::Internal, message)];
        }
        let here = match topic_admin::configs(&self.destination, &mirror.topic).await {
            Ok(here) => here,
            Err(error) => return vec![unread(&mirror.topic, &error)],
        };
        let changes = synced_configs::at_promote(&last_known(mirror), &here, &BTreeSet::new());
        let (refused, passing) = self.alter_at_last(mirror, &changes).await;
        let passing = passing.map(|error| TaskError::new(TaskErrorCode::Internal, error));
        refused.into_iter().chain(passing).collect()
    }

    /// Does `trim` while the `cleanup.policy` of a compacted topic has `delete`, without which brokers delete no records; nothing
    /// expires meanwhile. `None`, and nothing is done, where it has it anyway.
    ///
    /// A process that ends in between leaves a topic of which nothing expires; the next round gives it the source's policy.
    ///
    /// # Errors
    /// The topic's configs cannot be read or altered.
    pub(super) async fn while_trimmable<T>(
        &self,
        link: &str,
        topic: &str,
        trim: impl Future<Output = T>,
    ) -> Result<Option<T>, ClientError> {
        // Alone: a round that gave back the retention before the policy would have records expire.
        let _turn = self.turns.take(link).await;
        let here = topic_admin::configs(&self.destination, topic).await?;
        let Some((open, back)) = synced_configs::trimmable(&here) else { return Ok(None) };
        topic_admin::alter_configs(&self.destination, topic, &open).await?;
        let trimmed = trim.await;
        let given_back = self
            .destination
            .retrying(None, || topic_admin::alter_configs(&self.destination, topic, &back))
            .await;
        if let Err(error) = given_back {
            tracing::warn!(
                link, topic, %error,
                "the topic's cleanup.policy and retention could not be given back after its log start was moved; the next round of configs does it"
            );
        }
        Ok(Some(trimmed))
    }

    /// What the destination refused for good, and what may pass by itself.
    async fn alter_at_last(
        &self,
        mirror: &MirrorTopic,
        changes: &[ConfigChange],
    ) -> (Vec<TaskError>, Option<String>) {
        let (passing, refused): (Vec<Refused>, Vec<Refused>) =
            self.alter(mirror, changes).await.into_iter().partition(|refused| refused.passes);
        let refused = refused.into_iter().map(|refused| refused.error).collect();
        (refused, passing.into_iter().next().map(|refused| refused.error.message))
    }

    /// Gives the configs that Linkgate owns while it mirrors the values that a fence needs, where they have others: an
    /// earlier stop may have given them the source's already. Needs no source.
    ///
    /// # Errors
    /// The destination does not answer, or did not take a value.
    pub async fn own(&self, mirror: &MirrorTopic) -> Result<(), ConfigSyncError> {
        let fail = |reason: String| ConfigSyncError { topic: mirror.topic.clone(), reason };
        let here = topic_admin::configs(&self.destination, &mirror.topic)
            .await
            .map_err(|error| fail(error.to_string()))?;
        // Nothing is followed, and the source's limit for batches does not matter to a fence.
        let changes = synced_configs::while_mirroring(&TopicConfigs::new(), &here, &BTreeSet::new());
        match self.alter(mirror, &changes).await.into_iter().next() {
            Some(refused) => Err(fail(refused.error.message)),
            None if changes.is_empty() => Ok(()),
            None => {
                // Brokers learn of a config a moment after it is accepted.
                tokio::time::sleep(LEARNT_WITHIN).await;
                Ok(())
            }
        }
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
        self.learn(mirrors, &there).await;
        let mut errors = Vec::new();
        for mirror in mirrors.iter().filter(|mirror| are_its_topics(mirror, source, &self.destination)) {
            let present = metadata.topic(&mirror.source_topic).map_or(0, |topic| topic.partitions.len());
            errors.extend(partitions_added(mirror, present));
            match (there.get(&mirror.source_topic), here.get(&mirror.topic)) {
                (Some(Ok(there)), Some(Ok(here))) => {
                    let changes = synced_configs::while_mirroring(there, here, include);
                    errors.extend(self.follow(mirror, &changes).await);
                }
                (Some(Err(error)), _) => errors.push(unread(&mirror.source_topic, error)),
                (_, Some(Err(error))) => errors.push(unread(&mirror.topic, error)),
                (None, _) | (_, None) => {}
            }
        }
        Ok(errors)
    }

    /// Journals the source's values of the owned configs where they are news: a failover has nobody to ask.
    async fn learn(
        &self,
        mirrors: &[&MirrorTopic],
        there: &BTreeMap<String, Result<TopicConfigs, ClientError>>,
    ) {
        let found: Vec<(String, u32, BTreeMap<String, String>)> = mirrors
            .iter()
            .filter_map(|mirror| {
                let values = synced_configs::owned(there.get(&mirror.source_topic)?.as_ref().ok()?);
                let news = !values.is_empty() && values != mirror.source_configs;
                news.then(|| (mirror.topic.clone(), mirror.generation, values))
            })
            .collect();
        if found.is_empty() {
            return;
        }
        let learnt = move |view: &View, _: i64| {
            let changes = found.into_iter().filter_map(|(topic, generation, source_configs)| {
                let mirror = view.mirrors.get(&topic).filter(|now| now.generation == generation)?;
                let stopped = !mirror.is_read_only();
                (!stopped).then(|| Change::PutMirror(MirrorTopic { source_configs, ..mirror.clone() }))
            });
            Ok::<_, Infallible>((changes.collect(), ()))
        };
        let why = "the source's configs that a failover will give back";
        if let Err(error) = self.store.transact("engine", why, learnt).await {
            tracing::warn!(%error, "the source's configs are not journaled; a failover would not give them back");
        }
    }

    /// Alters configs of a mirror topic that still follows its source, and of no other: a stop may have begun while they
    /// were read.
    async fn follow(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<TaskError> {
        if changes.is_empty() {
            return Vec::new();
        }
        // Shared until the answer is there: a stop that has begun meanwhile waits for it.
        let _turn = self.turns.share(&mirror.link).await;
        let view = self.store.view();
        let now = view.mirrors.get(&mirror.topic).filter(|now| now.generation == mirror.generation);
        if !now.is_some_and(follows_source) {
            return Vec::new();
        }
        self.alter(mirror, changes).await.into_iter().map(|refused| refused.error).collect()
    }

    /// Alters configs of a mirror topic; values that the destination refuses come back as errors.
    async fn alter(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<Refused> {
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
                vec![Refused::of(&what, &error)]
            }
        }
    }

    async fn alter_one_by_one(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<Refused> {
        let mut errors = Vec::new();
        for change in changes {
            let one = std::slice::from_ref(change);
            match topic_admin::alter_configs(&self.destination, &mirror.topic, one).await {
                Ok(()) => log_altered(mirror, one),
                Err(error) => errors.push(Refused::of(
                    &format!("config '{}' of topic '{}' cannot follow the source", change.name, mirror.topic),
                    &error,
                )),
            }
        }
        errors
    }
}

/// The owned configs of a source as the journal has them.
fn last_known(mirror: &MirrorTopic) -> TopicConfigs {
    let known = mirror.source_configs.iter();
    known
        .map(|(name, value)| {
            (name.clone(), TopicConfig { value: value.clone(), is_override: true, inherited: None })
        })
        .collect()
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

fn not_followed(mirror: &MirrorTopic, why: &NotTheSource) -> TaskError {
    let topic = &mirror.topic;
    let message = format!("the configs of topic '{topic}' were not synced a last time: {why}");
    TaskError::new(TaskErrorCode::UnknownTopicOrPartition, message)
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
