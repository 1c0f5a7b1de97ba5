//! The bodies of the REST v3 API, in the shape that Confluent's public API gives them. No I/O.
//!
//! The daemon serialises these and the tools read them, so the contract exists once. Unknown fields are ignored on
//! reading, so that a newer daemon can talk to older tools. What Linkgate adds stands below `linkgate` in each body.

use serde::{Deserialize, Serialize};

/// Path prefixes under which the API is served.
pub const PREFIXES: [&str; 2] = ["/kafka/v3", "/v3"];

/// `metadata` of every resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceMetadata {
    /// URL of the resource.
    #[serde(rename = "self")]
    pub self_url: String,
    /// Name in Confluent's scheme (`crn:///kafka=…`); null where there is none.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// `metadata` of every list. There is no pagination: `next` is always null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListMetadata {
    /// URL of the list.
    #[serde(rename = "self")]
    pub self_url: String,
    /// Always null.
    #[serde(default)]
    pub next: Option<String>,
}

/// A list of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataList<T> {
    /// Which list, for example `KafkaLinkDataList`.
    pub kind: String,
    /// Where it is.
    pub metadata: ListMetadata,
    /// Its entries.
    pub data: Vec<T>,
}

/// A reference to a related collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Related {
    /// URL of the collection.
    pub related: String,
}

/// A cluster: entry of `GET /clusters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterData {
    /// `KafkaCluster`.
    pub kind: String,
    /// Where it is.
    pub metadata: ResourceMetadata,
    /// Id of the destination cluster.
    pub cluster_id: String,
    /// Related collections.
    pub controller: Related,
    /// See `controller`.
    pub acls: Related,
    /// See `controller`.
    pub brokers: Related,
    /// See `controller`.
    pub broker_configs: Related,
    /// See `controller`.
    pub consumer_groups: Related,
    /// See `controller`.
    pub topics: Related,
    /// See `controller`.
    pub partition_reassignments: Related,
}

/// A name and a value, of a link config or a topic config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigEntry {
    /// Kafka's name of the config.
    pub name: String,
    /// Its value; null means unset.
    #[serde(default)]
    pub value: Option<String>,
}

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

/// Body of `POST …/mirrors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateMirrorRequest {
    /// Topic of the source.
    pub source_topic_name: String,
    /// Topic of the destination; prefix + source topic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_name: Option<String>,
    /// Replication factor; the destination's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// Topic configs that are the mirror's own.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
}

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

/// Lag of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorLag {
    /// Its number.
    pub partition: i32,
    /// Source high watermark minus local log end offset, in offsets; -1 before the first fetch.
    pub lag: i64,
    /// Offset of the last fetch from the source; -1 before the first.
    pub last_source_fetch_offset: i64,
}

/// A partition as `kafka-mirrors --describe` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorPartition {
    /// Its number.
    pub partition: i32,
    /// As the topic's `mirror_status`.
    pub state: String,
    /// Log end offset on the destination; -1 while not known.
    pub local_log_end_offset: i64,
    /// High watermark of the source at the last fetch; -1 before the first.
    pub last_fetch_source_high_watermark: i64,
    /// The former minus the latter, unclamped.
    pub lag: i64,
    /// Milliseconds since the last fetch; since the epoch before the first.
    pub time_since_last_fetch_ms: i64,
    /// What holds the partition up or made it fail; empty when nothing does.
    #[serde(default)]
    pub reason: String,
}

/// What Linkgate adds to a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorExtension {
    /// Id of the link, 22 characters of URL-safe base64.
    pub link_id: String,
    /// Id of the source topic; zero when the source gives none.
    pub source_topic_id: String,
    /// Id of the destination topic.
    pub local_topic_id: String,
    /// How often the mirror has been stopped.
    pub stopped_sequence_number: u32,
    /// Why it failed, for people; empty when it did not.
    pub reason: String,
    /// Its partitions.
    pub partitions: Vec<MirrorPartition>,
}

/// An error on the way from one state to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateTransitionError {
    /// For example `UNKNOWN`.
    pub error_code: String,
    /// For people.
    pub error_message: String,
}

/// A mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorData {
    /// `KafkaMirrorData`.
    pub kind: String,
    /// Where it is.
    pub metadata: ResourceMetadata,
    /// The link.
    pub link_name: String,
    /// Name on the destination.
    pub mirror_topic_name: String,
    /// Name on the source.
    pub source_topic_name: String,
    /// Number of partitions.
    pub num_partitions: u32,
    /// Lag by partition.
    pub mirror_lags: Vec<MirrorLag>,
    /// `ACTIVE`, `STOPPED`, ….
    pub mirror_status: String,
    /// `NO_ERROR`, or why it failed.
    pub mirror_topic_error: String,
    /// When the state last changed, in milliseconds since the epoch.
    pub state_time_ms: i64,
    /// Present with `include_state_transition_errors=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_state_transition_errors: Option<Vec<StateTransitionError>>,
    /// What Linkgate adds.
    #[serde(default)]
    pub linkgate: Option<MirrorExtension>,
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

/// Error body of every request that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Confluent's code: the HTTP status, or that and two digits.
    pub error_code: i32,
    /// For people.
    pub message: String,
}
