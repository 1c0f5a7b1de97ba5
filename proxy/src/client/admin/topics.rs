//! Creating and deleting topics.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use state::model::KafkaUuid;

use super::super::cluster::{Cluster, topic_name};
use super::super::error::ClientError;
use super::configs::{ConfigEntry, ConfigSource};
use crate::wire::error_code::ErrorCode;

/// How long the controller may take, in ms.
const CONTROLLER_TIMEOUT_MS: i32 = 20_000;

/// What became of a created topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its id; zero when the broker does not say, or when it was only validated.
    pub id: KafkaUuid,
    /// Its number of partitions; -1 when the broker does not say.
    pub partitions: i32,
    /// Its replication factor; -1 when the broker does not say.
    pub replication_factor: i16,
    /// All its configs (KIP-525), also when it was only validated: the names that the cluster knows, and the values that
    /// a topic has there. Empty when the broker does not say.
    pub configs: BTreeMap<String, ConfigEntry>,
}

impl Cluster {
    /// Creates a topic. `replication_factor` absent means the cluster's default. With `validate_only` nothing is made.
    ///
    /// After a lost response the attempt is repeated, so that TOPIC_ALREADY_EXISTS can be the answer to one's own
    /// success.
    ///
    /// # Errors
    /// The broker's code and words, or why none could be asked.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: Option<i16>,
        configs: &BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<NewTopic, ClientError> {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(replication_factor.unwrap_or(-1))
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS)
            .with_validate_only(validate_only);
        let api = format!("CreateTopics '{name}'");
        self.retrying(None, || async {
            let controller = self.controller().await?;
            let response = controller.call_at_most(request.clone(), 7).await?;
            let Some(topic) = response.topics.into_iter().next() else {
                return Err(controller.misfit(&api, "the response names no topic".into()));
            };
            ErrorCode(topic.error_code).ok().map_err(|code| {
                controller.answered(&api, code, topic.error_message.as_deref().unwrap_or_default())
            })?;
            Ok(NewTopic {
                id: KafkaUuid(topic.topic_id),
                partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
                configs: topic
                    .configs
                    .unwrap_or_default()
                    .into_iter()
                    .map(|config| {
                        let value = config.value.map(|value| value.to_string());
                        let source = ConfigSource::of(config.config_source);
                        let entry = ConfigEntry {
                            inherited: value.clone().filter(|_| source != ConfigSource::Topic),
                            value,
                            source,
                            sensitive: config.is_sensitive,
                            read_only: config.read_only,
                        };
                        (config.name.to_string(), entry)
                    })
                    .collect(),
            })
        })
        .await
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// The broker's code and words (UNKNOWN_TOPIC_OR_PARTITION at once, when there is none), or why none could be asked.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let api = format!("DeleteTopics '{name}'");
        self.retrying(None, || async {
            let controller = self.controller().await?;
            let request = DeleteTopicsRequest::default().with_timeout_ms(CONTROLLER_TIMEOUT_MS);
            let request = if controller.version_of::<DeleteTopicsRequest>(6)? >= 6 {
                request.with_topics(vec![DeleteTopicState::default().with_name(Some(topic_name(name)))])
            } else {
                request.with_topic_names(vec![topic_name(name)])
            };
            let response = controller.call_at_most(request, 6).await?;
            let Some(topic) = response.responses.into_iter().next() else {
                return Err(controller.misfit(&api, "the response names no topic".into()));
            };
            match ErrorCode(topic.error_code) {
                ErrorCode::NONE => Ok(Ok(())),
                // Retriable by the table, but here it is the answer.
                code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(Err(controller.answered(&api, code, ""))),
                code => {
                    let message = topic.error_message.as_deref().unwrap_or_default();
                    Err(controller.answered(&api, code, message))
                }
            }
        })
        .await?
    }

    /// Gives a topic more partitions, `count` in all; the controller places them.
    ///
    /// After a lost response the attempt is repeated, so that INVALID_PARTITIONS can be the answer to one's own success.
    ///
    /// # Errors
    /// The broker's code and words, or why none could be asked.
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic.with_assignments(None)])
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
        let api = format!("CreatePartitions '{name}'");
        self.retrying(None, || async {
            let controller = self.controller().await?;
            let response = controller.call_at_most(request.clone(), 3).await?;
            let Some(answer) = response.results.into_iter().next() else {
                return Err(controller.misfit(&api, "the response names no topic".into()));
            };
            ErrorCode(answer.error_code).ok().map_err(|code| {
                controller.answered(&api, code, answer.error_message.as_deref().unwrap_or_default())
            })
        })
        .await
    }
}
