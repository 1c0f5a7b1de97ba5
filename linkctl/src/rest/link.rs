//! Cluster links: creating one, and what one looks like.

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

/// One error of a link task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskError {
    /// For example `MISCONFIGURATION_ERROR`.
    pub error_code: String,
    /// For people.
    pub error_message: String,
}

/// A periodic task of a link: `AclSync`, `AutoCreateMirror`, `ConsumerOffsetSync`, `TopicConfigsSync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkTask {
    /// Its name.
    pub task_name: String,
    /// `ACTIVE`, `IN_ERROR`, `NOT_CONFIGURED`, `LINK_PAUSED`, `LINK_UNAVAILABLE`, `LINK_FAILED` or `UNKNOWN`.
    pub state: String,
    /// What is wrong; empty when nothing is.
    pub errors: Vec<TaskError>,
}

/// How many mirror topics of a link are in a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoryCount {
    /// `PAUSED`, `IN_ERROR`, `PENDING`, `ACTIVE` or `NOT_APPLICABLE`.
    pub state_category: String,
    /// Number of mirror topics.
    pub count: u64,
}

/// What Linkgate adds to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkExtension {
    /// Id of the destination cluster.
    pub local_cluster_id: String,
    /// `DESTINATION`.
    pub link_mode: String,
    /// `OUTBOUND`.
    pub connection_mode: String,
    /// The source answers.
    pub remote_cluster_available: bool,
}

/// A cluster link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkData {
    /// `KafkaLinkData`.
    pub kind: String,
    /// Where it is.
    pub metadata: ResourceMetadata,
    /// Id of the source cluster.
    #[serde(default)]
    pub source_cluster_id: Option<String>,
    /// Null: Linkgate's links are destination-mode.
    #[serde(default)]
    pub destination_cluster_id: Option<String>,
    /// Null: see `destination_cluster_id`.
    #[serde(default)]
    pub remote_cluster_id: Option<String>,
    /// Its name.
    pub link_name: String,
    /// Its id, hyphenated.
    pub link_id: String,
    /// The same id, 22 characters of URL-safe base64.
    pub cluster_link_id: String,
    /// Mirror topics of this link.
    pub topic_names: Vec<String>,
    /// `NO_ERROR`, or what is wrong.
    pub link_error: String,
    /// The same for people.
    #[serde(default)]
    pub link_error_message: Option<String>,
    /// `ACTIVE`, `PAUSED`, `UNAVAILABLE`, `FAILED` or `UNKNOWN`.
    pub link_state: String,
    /// Present (possibly empty) with `include_tasks=true`, else null.
    #[serde(default)]
    pub tasks: Option<Vec<LinkTask>>,
    /// Mirror topics by category.
    #[serde(default)]
    pub category_counts: Vec<CategoryCount>,
    /// What Linkgate adds.
    #[serde(default)]
    pub linkgate: Option<LinkExtension>,
}
