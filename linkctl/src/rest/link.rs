//! Bodies of cluster links: creation and description.

use serde::{Deserialize, Serialize};

use super::common::{ConfigEntry, ResourceMetadata};

/// Body of `POST /clusters/{cid}/links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateLinkRequest {
    /// Expected id of the source cluster (destination-mode links).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_cluster_id: Option<String>,
    /// Expected id of the destination cluster (source-mode links).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_cluster_id: Option<String>,
    /// Expected id of the remote cluster (bidirectional links).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_cluster_id: Option<String>,
    /// Expected link id, on the second side of a bidirectional link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_link_id: Option<String>,
    /// Link configs.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
}

/// Error of a link task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskError {
    /// Code of the error, for example `MISCONFIGURATION_ERROR`.
    pub error_code: String,
    /// Readable message.
    pub error_message: String,
}

/// A periodic task of a link: `AclSync`, `AutoCreateMirror`, `ConsumerOffsetSync`, `TopicConfigsSync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkTask {
    /// Name of the task.
    pub task_name: String,
    /// State: `ACTIVE`, `IN_ERROR`, `NOT_CONFIGURED`, `LINK_PAUSED`, `LINK_UNAVAILABLE`, `LINK_FAILED` or
    /// `UNKNOWN`.
    pub state: String,
    /// Errors of the task; empty if there are none.
    pub errors: Vec<TaskError>,
}

/// Number of mirror topics of a link in one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoryCount {
    /// Category: `PAUSED`, `IN_ERROR`, `PENDING`, `ACTIVE` or `NOT_APPLICABLE`.
    pub state_category: String,
    /// Number of mirror topics.
    pub count: u64,
}

/// Fields that Linkgate adds to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkExtension {
    /// Id of the destination cluster.
    pub local_cluster_id: String,
    /// Always `DESTINATION`.
    pub link_mode: String,
    /// Always `OUTBOUND`.
    pub connection_mode: String,
    /// True if the link is active: Linkgate asks the source, and the source answers.
    pub remote_cluster_available: bool,
}

/// A cluster link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkData {
    /// Always `KafkaLinkData`.
    pub kind: String,
    /// URL of the link.
    pub metadata: ResourceMetadata,
    /// Id of the source cluster; null while unknown.
    #[serde(default)]
    pub source_cluster_id: Option<String>,
    /// Always null: Linkgate's links are destination-mode.
    #[serde(default)]
    pub destination_cluster_id: Option<String>,
    /// Always null; see `destination_cluster_id`.
    #[serde(default)]
    pub remote_cluster_id: Option<String>,
    /// Name of the link.
    pub link_name: String,
    /// Id of the link, with hyphens.
    pub link_id: String,
    /// The same id as 22 characters of URL-safe base64.
    pub cluster_link_id: String,
    /// Names of the link's mirror topics.
    pub topic_names: Vec<String>,
    /// `NO_ERROR`, or the kind of error.
    pub link_error: String,
    /// Readable message for `link_error`; null if there is none.
    #[serde(default)]
    pub link_error_message: Option<String>,
    /// State of the link: `ACTIVE`, `PAUSED`, `UNAVAILABLE`, `FAILED` or `UNKNOWN`.
    pub link_state: String,
    /// Tasks of the link (possibly none) with `include_tasks=true`, else null.
    #[serde(default)]
    pub tasks: Option<Vec<LinkTask>>,
    /// Number of mirror topics per category.
    #[serde(default)]
    pub category_counts: Vec<CategoryCount>,
    /// Fields that Linkgate adds.
    #[serde(default)]
    pub linkgate: Option<LinkExtension>,
}
