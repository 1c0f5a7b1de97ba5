//! Bodies of mirror topics: creation and description.

use serde::{Deserialize, Serialize};

use super::common::{ConfigEntry, ResourceMetadata};

/// Body of `POST …/mirrors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateMirrorRequest {
    /// Topic on the source.
    pub source_topic_name: String,
    /// Topic on the destination; the link's prefix and the source topic if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_topic_name: Option<String>,
    /// Replication factor; the destination's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// Topic configs of the mirror topic itself, and `mirror.start.offset.spec`: the start, if it differs
    /// from the link's.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
}

/// Lag of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorLag {
    /// Partition number.
    pub partition: i32,
    /// Source high watermark minus destination log end offset, in offsets; -1 before the first fetch.
    pub lag: i64,
    /// Offset of the last fetch from the source; -1 before the first fetch.
    pub last_source_fetch_offset: i64,
}

/// Progress of filling an offset gap of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionFilling {
    /// First offset of the gap.
    pub from: i64,
    /// End of the gap: the first offset that is copied from the source.
    pub to: i64,
    /// Number of offsets filled so far.
    pub done: i64,
    /// `done` in percent of the whole gap.
    pub percent: u8,
    /// Estimated time to the end, in milliseconds; null while no rate is known.
    #[serde(default)]
    pub eta_ms: Option<i64>,
}

/// A log start jump: the source lost offsets before they were copied. The mirror holds filler in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionJump {
    /// First offset that could not be copied.
    pub from: i64,
    /// Offset at which mirroring continued.
    pub to: i64,
    /// Time when the jump was noticed, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Number of jumps of the partition so far.
    pub count: u64,
}

/// An open transaction on the source. Nothing behind its first offset is mirrored until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenTransaction {
    /// First offset of the transaction.
    pub first_offset: i64,
    /// Number of offsets from there to the source's high watermark. The mirror lacks them.
    pub offsets_held_back: i64,
    /// Producer id of the transaction; null until the source has told it.
    #[serde(default)]
    pub producer_id: Option<i64>,
    /// Producer epoch; null until the source has told it.
    #[serde(default)]
    pub producer_epoch: Option<i16>,
    /// Timestamp of the transaction's first batch, in milliseconds since the epoch; null until the source has
    /// told it.
    #[serde(default)]
    pub since_ms: Option<i64>,
}

/// A partition, with the fields of `kafka-mirrors --describe` and Linkgate's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorPartition {
    /// Partition number.
    pub partition: i32,
    /// State of the partition, with the values of the topic's `mirror_status`.
    pub state: String,
    /// Log end offset on the destination; -1 while unknown.
    pub local_log_end_offset: i64,
    /// High watermark of the source at the last fetch; -1 before the first fetch.
    pub last_fetch_source_high_watermark: i64,
    /// `last_fetch_source_high_watermark` minus `local_log_end_offset` (0 while unknown). It can be negative.
    pub lag: i64,
    /// Milliseconds since the last fetch; since the epoch before the first fetch.
    pub time_since_last_fetch_ms: i64,
    /// Reason why the partition is held up or failed, else empty.
    #[serde(default)]
    pub reason: String,
    /// Source offset at which the mirror begins, chosen at its creation.
    #[serde(default)]
    pub start_offset: i64,
    /// Progress of filling an offset gap; absent while nothing is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filling: Option<PartitionFilling>,
    /// The latest log start jump; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_jump: Option<PartitionJump>,
    /// Open transaction that holds the partition back; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_transaction: Option<OpenTransaction>,
    /// Number of records without a key that this process left out, because the topic is compacted.
    #[serde(default)]
    pub unkeyed_records: u64,
}

/// Fields that Linkgate adds to a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorExtension {
    /// Id of the link, 22 characters of URL-safe base64.
    pub link_id: String,
    /// Id of the source topic; the zero id if the source has no topic ids.
    pub source_topic_id: String,
    /// Id of the destination topic.
    pub local_topic_id: String,
    /// Number of times that the mirror was stopped.
    pub stopped_sequence_number: u32,
    /// Reason, as readable text: why the mirror failed, what a stop went on without, or what holds a stop up.
    /// Else empty.
    pub reason: String,
    /// Time since when a promote or failover is held up, in milliseconds since the epoch; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up_since_ms: Option<i64>,
    /// Steps that a promote or failover went on without, as readable text: groups, configs or log starts that
    /// the destination refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_undone: Vec<String>,
    /// Partitions in ascending order.
    pub partitions: Vec<MirrorPartition>,
}

/// Error during a state transition of a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateTransitionError {
    /// Code of the error, for example `UNKNOWN`.
    pub error_code: String,
    /// Readable message.
    pub error_message: String,
}

/// A mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorData {
    /// Always `KafkaMirrorData`.
    pub kind: String,
    /// URL of the mirror topic.
    pub metadata: ResourceMetadata,
    /// Name of the link.
    pub link_name: String,
    /// Name of the topic on the destination.
    pub mirror_topic_name: String,
    /// Name of the topic on the source.
    pub source_topic_name: String,
    /// Number of partitions.
    pub num_partitions: u32,
    /// Lag per partition.
    pub mirror_lags: Vec<MirrorLag>,
    /// State of the mirror topic: `ACTIVE`, `STOPPED`, ….
    pub mirror_status: String,
    /// `NO_ERROR`, or the kind of error that the mirror failed with.
    pub mirror_topic_error: String,
    /// Time of the last state change, in milliseconds since the epoch.
    pub state_time_ms: i64,
    /// Errors of state transitions. Present only with `include_state_transition_errors=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_state_transition_errors: Option<Vec<StateTransitionError>>,
    /// Fields that Linkgate adds.
    #[serde(default)]
    pub linkgate: Option<MirrorExtension>,
}
