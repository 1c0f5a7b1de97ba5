//! Reads and alters topics of a cluster and their configs, for the commands and the config sync.

use std::collections::BTreeMap;

use state::model::KafkaUuid;

use crate::client::admin::{AlterConfig, ConfigEntry};
use crate::client::{ClientError, Cluster};
use crate::mirror::sync::configs::policy::{ConfigChange, TopicConfig, TopicConfigs};
use crate::wire::protocol::error_code::ErrorCode;

/// An existing topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingTopic {
    /// Topic id.
    pub id: KafkaUuid,
    /// Number of partitions.
    pub partitions: u32,
    /// True for topics that Kafka uses internally.
    pub internal: bool,
}

/// Returns the topic of this name, `None` if there is none.
///
/// # Errors
/// Fails if no broker answered, or the answer has an error for the topic.
pub(crate) async fn describe(cluster: &Cluster, topic: &str) -> Result<Option<ExistingTopic>, ClientError> {
    let metadata = cluster.metadata(Some(&[topic.to_owned()])).await?;
    let Some(found) = metadata.topic(topic) else { return Ok(None) };
    match found.error_code {
        ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE => Ok(Some(ExistingTopic {
            id: found.id,
            partitions: u32::try_from(found.partitions.len()).unwrap_or(u32::MAX),
            internal: found.internal,
        })),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(None),
        code => Err(cluster.any().await?.answered(&format!("Metadata '{topic}'"), code, "")),
    }
}

/// Returns the configs of a topic.
///
/// # Errors
/// Returns the broker's error code, or the reason why no broker could be asked.
pub(crate) async fn configs(cluster: &Cluster, topic: &str) -> Result<TopicConfigs, ClientError> {
    let mut all = cluster.describe_topic_configs(&[topic.to_owned()]).await?;
    match all.remove(topic) {
        Some(found) => found.map(readable),
        None => Ok(TopicConfigs::new()),
    }
}

/// Returns the configs of several topics. A topic that cannot be described has its own error.
///
/// # Errors
/// Fails if no broker could be asked.
pub(crate) async fn configs_of_all(
    cluster: &Cluster,
    topics: &[String],
) -> Result<BTreeMap<String, Result<TopicConfigs, ClientError>>, ClientError> {
    let all = cluster.describe_topic_configs(topics).await?;
    Ok(all.into_iter().map(|(topic, found)| (topic, found.map(readable))).collect())
}

/// Drops the configs whose value the broker does not return.
pub(crate) fn readable(configs: BTreeMap<String, ConfigEntry>) -> TopicConfigs {
    configs
        .into_iter()
        .filter_map(|(name, entry)| {
            let is_override = !entry.is_default();
            let value = entry.value?;
            Some((name, TopicConfig { value, is_override, inherited: entry.inherited }))
        })
        .collect()
}

/// Alters configs of a topic: all of these changes or none.
///
/// # Errors
/// Returns the broker's error code and message, or the reason why no broker could be asked.
pub(crate) async fn alter_configs(
    cluster: &Cluster,
    topic: &str,
    changes: &[ConfigChange],
) -> Result<(), ClientError> {
    let changes = changes
        .iter()
        .map(|change| {
            let alteration = change.value.clone().map_or(AlterConfig::Delete, AlterConfig::Set);
            (change.name.clone(), alteration)
        })
        .collect();
    cluster.alter_topic_configs(topic, &changes).await
}
