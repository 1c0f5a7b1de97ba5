//! Creates and deletes topics, and adds partitions.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use state::model::KafkaUuid;

use crate::client::admin::configs::{ConfigEntry, ConfigSource};
use crate::client::cluster::Cluster;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::wire::protocol::error_code::ErrorCode;

/// Time that the controller may take, in ms.
const CONTROLLER_TIMEOUT_MS: i32 = 20_000;

/// Description of a new topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The topic id; zero if the broker does not say, or if the topic was only validated.
    pub id: KafkaUuid,
    /// Number of partitions; -1 if the broker does not say.
    pub partitions: i32,
    /// Replication factor; -1 if the broker does not say.
    pub replication_factor: i16,
    /// All configs of the topic (KIP-525), also if it was only validated: the names that the cluster knows,
    /// with the values that the topic gets. Empty if the broker does not say.
    pub configs: BTreeMap<String, ConfigEntry>,
}

impl Cluster {
    /// Creates a topic. Without a `replication_factor` the cluster's default applies. With `validate_only`
    /// nothing is created.
    ///
    /// After a lost response the request is sent again. So TOPIC_ALREADY_EXISTS may be the answer to a
    /// request that succeeded.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
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
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
    /// UNKNOWN_TOPIC_OR_PARTITION is not retried.
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
                // The code is retriable in general, but here it is the answer.
                code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(Err(controller.answered(&api, code, ""))),
                code => {
                    let message = topic.error_message.as_deref().unwrap_or_default();
                    Err(controller.answered(&api, code, message))
                }
            }
        })
        .await?
    }

    /// Increases the number of partitions of a topic to `count`. The controller places the new ones.
    ///
    /// After a lost response the request is sent again. So INVALID_PARTITIONS may be the answer to a request
    /// that succeeded.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
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
