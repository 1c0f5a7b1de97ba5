//! Bodies of actions on mirror topics (promote, failover, pause, resume), and their result per topic.

use serde::{Deserialize, Serialize};

use super::mirror::MirrorLag;

/// Body of `POST …/mirrors:{verb}`. Exactly one of the two fields must be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMirrorsRequest {
    /// Names of the mirror topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_names: Option<Vec<String>>,
    /// Regular expression that must match the whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_name_pattern: Option<String>,
}

/// `metadata` of an `AlterMirrorsEntry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMetadata {
    /// URL of the mirror topic.
    #[serde(rename = "self")]
    pub self_url: String,
    /// Name in Confluent's scheme; null if there is none.
    #[serde(default)]
    pub resource: Option<String>,
}

/// Result of an action for one mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMirrorsEntry {
    /// Always `AlterMirrorsData`.
    pub kind: String,
    /// URL and name of the mirror topic.
    pub metadata: AlterMetadata,
    /// Name of the mirror topic.
    pub mirror_topic_name: String,
    /// Null if the action was accepted, else an error code like an HTTP status.
    #[serde(default)]
    pub error_code: Option<i32>,
    /// Null if the action was accepted, else the reason.
    #[serde(default)]
    pub error_message: Option<String>,
    /// Lag per partition at the time of the request.
    pub mirror_lags: Vec<MirrorLag>,
    /// Always null: Linkgate has no truncate-and-restore.
    #[serde(default)]
    pub messages_truncated: Option<i64>,
    /// Always empty; see `messages_truncated`.
    #[serde(default)]
    pub partition_level_truncation_data: Vec<serde_json::Value>,
}
