//! Bodies of requests that read and alter the configs of a link.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// Operation on one config.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlterOperation {
    /// Sets the value.
    #[default]
    Set,
    /// Resets the config to its default.
    Delete,
}

/// Change of one config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterConfig {
    /// Kafka's name of the config.
    pub name: String,
    /// New value for `SET`.
    #[serde(default)]
    pub value: Option<String>,
    /// Operation; `SET` if absent.
    #[serde(default)]
    pub operation: Option<AlterOperation>,
}

/// Body of `PUT …/configs:alter`. Either all changes take effect, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterConfigsRequest {
    /// The changes.
    pub data: Vec<AlterConfig>,
    /// True: only check the changes, and make none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_only: Option<bool>,
}

/// Body of `PUT …/configs/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateConfigRequest {
    /// The new value.
    pub value: Option<String>,
}

/// One config of a link. Each flag appears under two names, because public clients differ in the name that
/// they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkConfigData {
    /// Always `KafkaLinkConfigData`.
    pub kind: String,
    /// URL of the config.
    pub metadata: ResourceMetadata,
    /// Id of the destination cluster.
    pub cluster_id: String,
    /// Kafka's name of the config.
    pub name: String,
    /// Value of the config. Empty if unset, and always empty for sensitive configs.
    pub value: String,
    /// True if the config has its default value, not set explicitly.
    pub is_default: bool,
    /// True if the config cannot be altered after the link's creation.
    pub is_read_only: bool,
    /// True if the value is never shown.
    pub is_sensitive: bool,
    /// Same as `is_default`.
    pub default: bool,
    /// Same as `is_read_only`.
    pub read_only: bool,
    /// Same as `is_sensitive`.
    pub sensitive: bool,
    /// Origin of the value: `DYNAMIC_CLUSTER_LINK_CONFIG` or `DEFAULT_CONFIG`.
    pub source: String,
    /// Always empty.
    pub synonyms: Vec<String>,
    /// Name of the link.
    pub link_name: String,
}
