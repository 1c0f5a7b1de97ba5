//! Configs of a link: reading and altering them.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// What to do with one config in a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlterOperation {
    /// Give it the value.
    #[default]
    Set,
    /// Back to its default.
    Delete,
}

/// One change of a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterConfig {
    /// Kafka's name of the config.
    pub name: String,
    /// The new value, with `SET`.
    #[serde(default)]
    pub value: Option<String>,
    /// Absent means `SET`.
    #[serde(default)]
    pub operation: Option<AlterOperation>,
}

/// Body of `PUT …/configs:alter`; all changes take effect together or none does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterConfigsRequest {
    /// The changes.
    pub data: Vec<AlterConfig>,
    /// Only check.
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

/// One config of a link. Both spellings of the flags are there: public clients differ in which they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkConfigData {
    /// `KafkaLinkConfigData`.
    pub kind: String,
    /// Where it is.
    pub metadata: ResourceMetadata,
    /// Id of the destination cluster.
    pub cluster_id: String,
    /// Kafka's name of the config.
    pub name: String,
    /// Its value; empty when unset, and always empty for sensitive configs.
    pub value: String,
    /// Not set explicitly.
    pub is_default: bool,
    /// Cannot be altered after creation.
    pub is_read_only: bool,
    /// Its value is never shown.
    pub is_sensitive: bool,
    /// Same as `is_default`.
    pub default: bool,
    /// Same as `is_read_only`.
    pub read_only: bool,
    /// Same as `is_sensitive`.
    pub sensitive: bool,
    /// `DYNAMIC_CLUSTER_LINK_CONFIG` or `DEFAULT_CONFIG`.
    pub source: String,
    /// Always empty.
    pub synonyms: Vec<String>,
    /// The link.
    pub link_name: String,
}
