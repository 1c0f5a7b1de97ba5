//! Mirror topics: creating one, and what one looks like.

use serde::{Deserialize, Serialize};

use super::common::{ConfigEntry, ResourceMetadata};

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
    /// Topic configs that are the mirror's own, and `mirror.start.offset.spec`: where it begins, when not where the
    /// link says.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
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

/// Offsets that hold nothing being covered with filler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionFilling {
    /// Where it began.
    pub from: i64,
    /// Where it ends: the first offset that is copied from the source.
    pub to: i64,
    /// Offsets done.
    pub done: i64,
    /// The same, in percent.
    pub percent: u8,
    /// Milliseconds that the rest will take at the rate so far; null while there is none.
    #[serde(default)]
    pub eta_ms: Option<i64>,
}

/// Offsets that the source no longer had when they were to be copied. The mirror holds filler in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionJump {
    /// First offset that could not be copied.
    pub from: i64,
    /// Where mirroring went on.
    pub to: i64,
    /// When it was noticed, in milliseconds since the epoch.
    pub at_ms: i64,
    /// How many jumps the partition has had.
    pub count: u64,
}

/// An open transaction on the source, behind which nothing is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenTransaction {
    /// Its first offset.
    pub first_offset: i64,
    /// Offsets behind it that the source holds and the mirror does not.
    pub offsets_held_back: i64,
    /// Its producer; null until the source was asked.
    #[serde(default)]
    pub producer_id: Option<i64>,
    /// Epoch of the producer.
    #[serde(default)]
    pub producer_epoch: Option<i16>,
    /// Timestamp of its first batch, in milliseconds since the epoch.
    #[serde(default)]
    pub since_ms: Option<i64>,
}

/// A partition as `kafka-mirrors --describe` shows it, and what Linkgate adds.
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
    /// Where the mirror's log begins: an offset of the source, chosen when the mirror was created.
    #[serde(default)]
    pub start_offset: i64,
    /// Absent while nothing is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filling: Option<PartitionFilling>,
    /// The latest jump; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_jump: Option<PartitionJump>,
    /// What holds the partition back; absent when no transaction does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_transaction: Option<OpenTransaction>,
    /// Records without a key that this process left out, because the topic is compacted.
    #[serde(default)]
    pub unkeyed_records: u64,
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
    /// Why it failed, or what holds up a promote or failover, for people; empty when it did not, and nothing does.
    pub reason: String,
    /// Since when a promote or failover has been held up, in milliseconds since the epoch; absent when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up_since_ms: Option<i64>,
    /// What a promote or failover went on without: groups, configs or log starts that the destination refused, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_undone: Vec<String>,
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
