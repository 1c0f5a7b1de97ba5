//! Reads and changes the configs of topics.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

use crate::client::cluster::Cluster;
use crate::client::error::ClientError;
use crate::wire::protocol::error_code::ErrorCode;

/// Resource type of topics (`ConfigResource.Type`).
const TOPIC: i8 = 2;

/// Source of a config's value (`ConfigEntry.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// The value is set on the topic.
    Topic,
    /// The value is set on the broker or the cluster.
    Broker,
    /// The value is Kafka's default.
    Default,
    /// A source that this client does not know; its number in the protocol.
    Other(i8),
}

impl ConfigSource {
    pub(crate) fn of(wire: i8) -> Self {
        match wire {
            1 => ConfigSource::Topic,
            2..=4 => ConfigSource::Broker,
            5 => ConfigSource::Default,
            other => ConfigSource::Other(other),
        }
    }
}

/// One config of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The value in force; absent for sensitive configs.
    pub value: Option<String>,
    /// Source of the value.
    pub source: ConfigSource,
    /// The value that would be in force without a value on the topic; absent if the broker does not say.
    pub inherited: Option<String>,
    /// True if the value is a secret.
    pub sensitive: bool,
    /// True if the config cannot be changed.
    pub read_only: bool,
}

impl ConfigEntry {
    /// Returns true if the value is not set on the topic itself.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source != ConfigSource::Topic
    }
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterConfig {
    /// Sets the value on the topic.
    Set(String),
    /// Removes the value from the topic, so that the broker's value applies again.
    Delete,
}

/// The configs of one topic, by name.
type Configs = BTreeMap<String, ConfigEntry>;

impl Cluster {
    /// Reads all configs of these topics, by topic.
    ///
    /// # Errors
    /// Fails if no broker could be asked. A topic that could not be described has its own error in the map.
    pub async fn describe_topic_configs(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Result<Configs, ClientError>>, ClientError> {
        let resource = |topic: &String| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(StrBytes::from_string(topic.clone()))
                .with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(topics.iter().map(resource).collect())
            .with_include_synonyms(true);
        self.retrying(None, || async {
            let broker = self.any().await?;
            let response = broker.call_at_most(request.clone(), 4).await?;
            let results = response.results.into_iter().map(|result| {
                let name = result.resource_name.to_string();
                let configs = match ErrorCode(result.error_code).ok() {
                    Ok(()) => Ok(result
                        .configs
                        .into_iter()
                        .map(|config| {
                            let beneath = config
                                .synonyms
                                .into_iter()
                                .find(|synonym| ConfigSource::of(synonym.source) != ConfigSource::Topic);
                            let entry = ConfigEntry {
                                value: config.value.map(|value| value.to_string()),
                                source: ConfigSource::of(config.config_source),
                                inherited: beneath
                                    .and_then(|synonym| synonym.value)
                                    .map(|value| value.to_string()),
                                sensitive: config.is_sensitive,
                                read_only: config.read_only,
                            };
                            (config.name.to_string(), entry)
                        })
                        .collect()),
                    Err(code) => {
                        let message = result.error_message.as_deref().unwrap_or_default();
                        Err(broker.answered(&format!("DescribeConfigs '{name}'"), code, message))
                    }
                };
                (name, configs)
            });
            Ok(results.collect())
        })
        .await
    }

    /// Changes some configs of a topic and leaves the others as they are.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &BTreeMap<String, AlterConfig>,
    ) -> Result<(), ClientError> {
        if changes.is_empty() {
            return Ok(());
        }
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let configs = changes.iter().map(|(key, change)| {
            let (operation, value) = match change {
                AlterConfig::Set(value) => (0, Some(text(value))),
                AlterConfig::Delete => (1, None),
            };
            AlterableConfig::default().with_name(text(key)).with_config_operation(operation).with_value(value)
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let api = format!("IncrementalAlterConfigs '{topic}'");
        self.retrying(None, || async {
            let controller = self.controller().await?;
            let response = controller.call_at_most(request.clone(), 1).await?;
            let Some(result) = response.responses.into_iter().next() else {
                return Err(controller.misfit(&api, "the response names no topic".into()));
            };
            ErrorCode(result.error_code).ok().map_err(|code| {
                controller.answered(&api, code, result.error_message.as_deref().unwrap_or_default())
            })
        })
        .await
    }
}
