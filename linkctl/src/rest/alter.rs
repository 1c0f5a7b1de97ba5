//! Actions on mirror topics (promote, failover, pause, resume) and their result for each topic.

use serde::{Deserialize, Serialize};

use super::mirror::MirrorLag;

/// Body of `POST …/mirrors:{verb}`: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMirrorsRequest {
    /// The mirror topics by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_names: Option<Vec<String>>,
    /// A regular expression that the whole name must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_name_pattern: Option<String>,
}

/// `metadata` of an entry of an [`AlterMirrorsResponse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMetadata {
    /// URL of the mirror topic.
    #[serde(rename = "self")]
    pub self_url: String,
    /// Name in Confluent's scheme; null where there is none.
    #[serde(default)]
    pub resource: Option<String>,
}

/// Result of an action for one mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterMirrorsEntry {
    /// `AlterMirrorsData`.
    pub kind: String,
    /// Where it is.
    pub metadata: AlterMetadata,
    /// The mirror topic.
    pub mirror_topic_name: String,
    /// Null when accepted, else an HTTP-like code.
    #[serde(default)]
    pub error_code: Option<i32>,
    /// Null when accepted, else why not.
    #[serde(default)]
    pub error_message: Option<String>,
    /// Lag by partition when the request was accepted.
    pub mirror_lags: Vec<MirrorLag>,
    /// Null: Linkgate has no truncate-and-restore yet.
    #[serde(default)]
    pub messages_truncated: Option<i64>,
    /// Empty: see `messages_truncated`.
    #[serde(default)]
    pub partition_level_truncation_data: Vec<serde_json::Value>,
}
