//! Topics of a cluster and their configs, in the terms of the commands and the config sync.

use std::collections::BTreeMap;

use state::model::KafkaUuid;

use super::synced_configs::{ConfigChange, TopicConfig, TopicConfigs};
use crate::client::admin::{AlterConfig, ConfigEntry};
use crate::client::{ClientError, Cluster};
use crate::wire::error_code::ErrorCode;

/// A topic that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its id.
    pub id: KafkaUuid,
    /// Number of its partitions.
    pub partitions: u32,
    /// Kafka keeps it for itself.
    pub internal: bool,
}

/// The topic of this name; `None` when there is none.
///
/// # Errors
/// No broker answered, or it does not tell.
pub async fn describe(cluster: &Cluster, topic: &str) -> Result<Option<Topic>, ClientError> {
    let metadata = cluster.metadata(Some(&[topic.to_owned()])).await?;
    let Some(found) = metadata.topic(topic) else { return Ok(None) };
    match found.error_code {
        ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE => Ok(Some(Topic {
            id: found.id,
            partitions: u32::try_from(found.partitions.len()).unwrap_or(u32::MAX),
            internal: found.internal,
        })),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(None),
        code => Err(cluster.any().await?.answered(&format!("Metadata '{topic}'"), code, "")),
    }
}

/// The configs of a topic.
///
/// # Errors
/// The broker's code, or why none could be asked.
pub async fn configs(cluster: &Cluster, topic: &str) -> Result<TopicConfigs, ClientError> {
    let mut all = cluster.describe_topic_configs(&[topic.to_owned()]).await?;
    match all.remove(topic) {
        Some(found) => found.map(readable),
        None => Ok(TopicConfigs::new()),
    }
}

/// The configs of several topics. A topic that cannot be described has its own error.
///
/// # Errors
/// No broker could be asked.
pub async fn configs_of_all(
    cluster: &Cluster,
    topics: &[String],
) -> Result<BTreeMap<String, Result<TopicConfigs, ClientError>>, ClientError> {
    let all = cluster.describe_topic_configs(topics).await?;
    Ok(all.into_iter().map(|(topic, found)| (topic, found.map(readable))).collect())
}

/// Without those whose value is not told.
pub(super) fn readable(configs: BTreeMap<String, ConfigEntry>) -> TopicConfigs {
    configs
        .into_iter()
        .filter_map(|(name, entry)| {
            let is_override = !entry.is_default();
            let value = entry.value?;
            Some((name, TopicConfig { value, is_override, inherited: entry.inherited }))
        })
        .collect()
}

/// Alters configs of a topic: all of these, or none.
///
/// # Errors
/// The broker's code and words, or why none could be asked.
pub async fn alter_configs(
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
