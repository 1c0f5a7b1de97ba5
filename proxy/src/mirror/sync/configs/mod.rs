//! Syncs topic configs from the source.
//!
//! Every `topic.config.sync.ms` the configs of the link's source topics are compared with those of their
//! mirrors. Followed configs that differ are altered on the destination; [`policy`] decides which. If
//! the destination refuses a value, the others are altered one by one, and the refused one is reported on the
//! task.
//!
//! A source topic that has more partitions than its mirror is reported too. The mirror gets them soon; if it
//! does not, an operator looks here.
pub(crate) mod policy;
pub(crate) mod refused;
pub(crate) mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use state::model::link_config::{LinkConfig, OWNED};
use state::model::{Change, LinkState, MirrorTopic, View};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use crate::client::{ClientError, Cluster};
use crate::mirror::clusters::{NotTheSource, SourceClusters, fresh_topic};
use crate::mirror::sync::configs::policy::{ConfigChange, TopicConfig, TopicConfigs};
use crate::mirror::sync::configs::refused::RefusedConfig;
use crate::mirror::sync::offsets::follows_source;
use crate::mirror::sync::per_link::{in_rounds, link_and_mirror};
use crate::mirror::sync::round_lock::RoundLock;
use crate::mirror::sync::task_status::{RoundError, Task, TaskErrorCode, TaskTable};
use crate::mirror::topic_ids::are_its_topics;
use crate::wire::protocol::error_code::ErrorCode;

/// Time after which the brokers know a config that the controller accepted.
const METADATA_TIMEOUT: Duration = Duration::from_millis(500);

/// Reason why the configs of a mirror topic could not be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configs of topic '{topic}' are not in sync: {reason}")]
pub struct ConfigSyncError {
    /// Name of the mirror topic.
    pub topic: String,
    /// The first error.
    pub reason: String,
}

/// Sync of mirror topic configs from their sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigSync {
    store: Store,
    destination: Cluster,
    sources: SourceClusters,
    tasks: TaskTable,
    turns: RoundLock,
}

impl ConfigSync {
    /// Creates the sync for all links of the store.
    #[must_use]
    pub fn new(store: Store, destination: Cluster, sources: SourceClusters, tasks: TaskTable) -> Self {
        ConfigSync { store, destination, sources, tasks, turns: RoundLock::default() }
    }

    /// Syncs every link at its own interval until shut down.
    pub async fn run(self, shutdown: CancellationToken) {
        let store = self.store.clone();
        let period = |config: &LinkConfig| config.topic_config_sync.period;
        in_rounds(store, shutdown, period, move |name| {
            let sync = self.clone();
            async move { sync.run_once(&name).await }
        })
        .await;
    }

    /// Runs one round for one link. Errors are put into the task table.
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
                round.unwrap_or_else(|error| vec![RoundError::of("topic configs cannot be read", &error)]);
        }
        self.tasks.set(name, Task::TopicConfigsSync, errors);
    }

    /// Syncs the configs of one mirror topic a last time, and sets the configs that Linkgate owned while it
    /// mirrored to the source's values. Returns what the destination refused; the rest is in force.
    ///
    /// # Errors
    /// Fails if a cluster does not answer.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Result<Vec<RoundError>, ConfigSyncError> {
        let fail = |reason: String| ConfigSyncError { topic: topic.to_owned(), reason };
        let view = self.store.view();
        let (link, config, mirror) =
            link_and_mirror(&view, link, topic).map_err(|reason| fail(reason.to_owned()))?;
        // Wait for a periodic round: changes that it began before the stop are then answered, and no other
        // round begins. So the values that are read now do not change.
        drop(self.turns.take(&link.name).await);
        let source = self.sources.of(link, &config);
        let mut refused = Vec::new();
        let (there, here) = tokio::join!(
            topics::configs(&source, &mirror.source_topic),
            topics::configs(&self.destination, &mirror.topic),
        );
        let here = here.map_err(|error| fail(error.to_string()))?;
        // Checked after the configs were read: topic ids never come back, so a right id now was right before
        // too.
        let is_gone = match fresh_topic(&source, mirror).await {
            Err(gone @ (NotTheSource::Missing(_) | NotTheSource::Other { .. })) => Some(gone),
            Err(unsure @ NotTheSource::Disputed { .. }) => return Err(fail(unsure.to_string())),
            // A source that does not describe the topic may still return its configs.
            Ok(_) | Err(NotTheSource::Unanswered(_)) => None,
        };
        let there = match (is_gone, there) {
            (Some(why), _) => {
                refused.push(not_followed(mirror, &why));
                last_known(mirror)
            }
            (None, Ok(there)) => there,
            (None, Err(error)) if error.retriable() => return Err(fail(error.to_string())),
            // A retry would not help. Use the last values that the source returned.
            (None, Err(error)) => {
                refused.push(unread(&mirror.source_topic, &error));
                last_known(mirror)
            }
        };
        let changes = policy::at_promote(&there, &here, &include(&config));
        let (more, passing) = self.alter_at_last(mirror, &changes).await;
        if let Some(error) = passing {
            return Err(fail(error));
        }
        refused.extend(more);
        self.tasks.add(&link.name, Task::TopicConfigsSync, refused.clone());
        Ok(refused)
    }

    /// Sets the configs that Linkgate owned while it mirrored to the last known values of the source. Needs
    /// no source. Returns what could not be done.
    pub async fn give_back(&self, mirror: &MirrorTopic) -> Vec<RoundError> {
        if mirror.source_configs.is_empty() {
            let message = format!(
                "the source's values of the configs that Linkgate owns while it mirrors ({}) are not known: \
                 topic '{}' keeps Linkgate's values",
                OWNED.join(", "),
                mirror.topic
            );
            return vec![RoundError::new(TaskErrorCode::Internal, message)];
        }
        let here = match topics::configs(&self.destination, &mirror.topic).await {
            Ok(here) => here,
            Err(error) => return vec![unread(&mirror.topic, &error)],
        };
        let changes = policy::at_promote(&last_known(mirror), &here, &BTreeSet::new());
        let (refused, passing) = self.alter_at_last(mirror, &changes).await;
        let passing = passing.map(|error| RoundError::new(TaskErrorCode::Internal, error));
        refused.into_iter().chain(passing).collect()
    }

    /// Runs `trim` while the `cleanup.policy` of a compacted topic includes `delete`: brokers delete no
    /// records without it. Nothing expires meanwhile. Returns `None`, and does nothing, if the policy
    /// includes `delete` anyway.
    ///
    /// If the process ends in between, the topic keeps configs with which nothing expires. The next round
    /// restores the source's policy.
    ///
    /// # Errors
    /// Fails if the topic's configs cannot be read or altered.
    pub(crate) async fn while_trimmable<T>(
        &self,
        link: &str,
        topic: &str,
        trim: impl Future<Output = T>,
    ) -> Result<Option<T>, ClientError> {
        // Exclusive: if a round restored the retention before the policy, records would expire.
        let _turn = self.turns.take(link).await;
        let here = topics::configs(&self.destination, topic).await?;
        let Some((open, back)) = policy::trimmable(&here) else { return Ok(None) };
        topics::alter_configs(&self.destination, topic, &open).await?;
        let trimmed = trim.await;
        let given_back =
            self.destination.retrying(None, || topics::alter_configs(&self.destination, topic, &back)).await;
        if let Err(error) = given_back {
            tracing::warn!(
                link, topic, %error,
                "could not restore the topic's cleanup.policy and retention after its log start was moved; \
                 the next config sync does it"
            );
        }
        Ok(Some(trimmed))
    }

    /// Alters the configs. Returns the changes that the destination refused for good, and the first error
    /// that may pass by itself.
    async fn alter_at_last(
        &self,
        mirror: &MirrorTopic,
        changes: &[ConfigChange],
    ) -> (Vec<RoundError>, Option<String>) {
        let (passing, refused): (Vec<RefusedConfig>, Vec<RefusedConfig>) =
            self.alter(mirror, changes).await.into_iter().partition(|refused| refused.passes);
        let refused = refused.into_iter().map(|refused| refused.error).collect();
        (refused, passing.into_iter().next().map(|refused| refused.error.message))
    }

    /// Sets the configs that Linkgate owns while it mirrors to the values that a fence needs, if they differ:
    /// an earlier stop may have set the source's values already. Needs no source.
    ///
    /// # Errors
    /// Fails if the destination does not answer or refuses a value.
    pub async fn own(&self, mirror: &MirrorTopic) -> Result<(), ConfigSyncError> {
        let fail = |reason: String| ConfigSyncError { topic: mirror.topic.clone(), reason };
        let here = topics::configs(&self.destination, &mirror.topic)
            .await
            .map_err(|error| fail(error.to_string()))?;
        // No config is followed here, and the source's limit for batches does not matter to a fence.
        let changes = policy::while_mirroring(&TopicConfigs::new(), &here, &BTreeSet::new());
        match self.alter(mirror, &changes).await.into_iter().next() {
            Some(refused) => Err(fail(refused.error.message)),
            None if changes.is_empty() => Ok(()),
            None => {
                // Brokers learn of a config shortly after it is accepted.
                tokio::time::sleep(METADATA_TIMEOUT).await;
                Ok(())
            }
        }
    }

    async fn round(
        &self,
        source: &Cluster,
        mirrors: &[&MirrorTopic],
        include: &BTreeSet<String>,
    ) -> Result<Vec<RoundError>, ClientError> {
        let there: Vec<String> = mirrors.iter().map(|mirror| mirror.source_topic.clone()).collect();
        let here: Vec<String> = mirrors.iter().map(|mirror| mirror.topic.clone()).collect();
        let (there, here, metadata) = tokio::try_join!(
            topics::configs_of_all(source, &there),
            topics::configs_of_all(&self.destination, &here),
            source.metadata(Some(&there)),
        )?;
        self.learn(mirrors, &there).await;
        let mut errors = Vec::new();
        for mirror in mirrors.iter().filter(|mirror| are_its_topics(mirror, source, &self.destination)) {
            let present = metadata.topic(&mirror.source_topic).map_or(0, |topic| topic.partitions.len());
            errors.extend(partitions_added(mirror, present));
            match (there.get(&mirror.source_topic), here.get(&mirror.topic)) {
                (Some(Ok(there)), Some(Ok(here))) => {
                    let changes = policy::while_mirroring(there, here, include);
                    errors.extend(self.follow(mirror, &changes).await);
                }
                (Some(Err(error)), _) => errors.push(unread(&mirror.source_topic, error)),
                (_, Some(Err(error))) => errors.push(unread(&mirror.topic, error)),
                (None, _) | (_, None) => {}
            }
        }
        Ok(errors)
    }

    /// Journals the source's values of the owned configs if they have changed: a failover cannot ask the
    /// source.
    async fn learn(
        &self,
        mirrors: &[&MirrorTopic],
        there: &BTreeMap<String, Result<TopicConfigs, ClientError>>,
    ) {
        let found: Vec<(String, u32, BTreeMap<String, String>)> = mirrors
            .iter()
            .filter_map(|mirror| {
                let values = policy::owned(there.get(&mirror.source_topic)?.as_ref().ok()?);
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
        let why = "the source's configs that a failover will restore";
        if let Err(error) = self.store.transact("engine", why, learnt).await {
            tracing::warn!(%error, "the source's configs could not be recorded; a failover would not restore them");
        }
    }

    /// Alters configs of a mirror topic, but only if it still follows its source: a stop may have begun while
    /// the configs were read.
    async fn follow(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<RoundError> {
        if changes.is_empty() {
            return Vec::new();
        }
        // Held until the answer arrives, so that a stop that begins meanwhile waits for it.
        let _turn = self.turns.share(&mirror.link).await;
        let view = self.store.view();
        let now = view.mirrors.get(&mirror.topic).filter(|now| now.generation == mirror.generation);
        if !now.is_some_and(follows_source) {
            return Vec::new();
        }
        self.alter(mirror, changes).await.into_iter().map(|refused| refused.error).collect()
    }

    /// Alters configs of a mirror topic. Returns the values that the destination refused.
    async fn alter(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<RefusedConfig> {
        if changes.is_empty() {
            return Vec::new();
        }
        match topics::alter_configs(&self.destination, &mirror.topic, changes).await {
            Ok(()) => {
                log_altered(mirror, changes);
                Vec::new()
            }
            Err(error) if refuses_values(error.code()) => self.alter_one_by_one(mirror, changes).await,
            Err(error) => {
                let what = format!("configs of topic '{}' cannot be altered", mirror.topic);
                vec![RefusedConfig::of(&what, &error)]
            }
        }
    }

    async fn alter_one_by_one(&self, mirror: &MirrorTopic, changes: &[ConfigChange]) -> Vec<RefusedConfig> {
        let mut errors = Vec::new();
        for change in changes {
            let one = std::slice::from_ref(change);
            match topics::alter_configs(&self.destination, &mirror.topic, one).await {
                Ok(()) => log_altered(mirror, one),
                Err(error) => errors.push(RefusedConfig::of(
                    &format!("config '{}' of topic '{}' cannot follow the source", change.name, mirror.topic),
                    &error,
                )),
            }
        }
        errors
    }
}

/// Returns the owned configs of the source as the journal has them.
fn last_known(mirror: &MirrorTopic) -> TopicConfigs {
    let known = mirror.source_configs.iter();
    known
        .map(|(name, value)| {
            (name.clone(), TopicConfig { value: value.clone(), is_override: true, inherited: None })
        })
        .collect()
}

/// Returns the names of the configs that a link follows.
pub(crate) fn include(config: &LinkConfig) -> BTreeSet<String> {
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

fn unread(topic: &str, error: &ClientError) -> RoundError {
    RoundError::of(&format!("configs of topic '{topic}' cannot be read"), error)
}

fn not_followed(mirror: &MirrorTopic, why: &NotTheSource) -> RoundError {
    let topic = &mirror.topic;
    let message = format!("the configs of topic '{topic}' were not synced a last time: {why}");
    RoundError::new(TaskErrorCode::UnknownTopicOrPartition, message)
}

fn partitions_added(mirror: &MirrorTopic, on_source: usize) -> Option<RoundError> {
    (on_source > mirror.partitions as usize).then(|| {
        RoundError::new(
            TaskErrorCode::InvalidRequest,
            format!(
                "source topic '{}' has {on_source} partitions, mirror topic '{}' has {}: the added ones are not mirrored yet",
                mirror.source_topic, mirror.topic, mirror.partitions
            ),
        )
    })
}
