//! Bodies of the filler scan of a topic that is or was a mirror.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// Filler scan of one partition of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FillerPartition {
    /// Partition number.
    pub partition: i32,
    /// Log start offset when the scan began.
    pub log_start_offset: i64,
    /// End of the scan: the end of the mirror if it is stopped, else the high watermark.
    pub scan_end_offset: i64,
    /// All offsets below this one have been read.
    pub scanned_to_offset: i64,
    /// Number of offsets in batches that are or contain filler.
    pub filler_offsets: i64,
    /// Number of batches that are or contain filler.
    pub filler_batches: i64,
    /// Last offset of the last such batch; null if there is none.
    #[serde(default)]
    pub last_filler_offset: Option<i64>,
}

/// Answer to `GET …/mirrors/{topic}/filler` and `POST …/mirrors/{topic}/filler:scan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FillerData {
    /// Always `KafkaMirrorFiller`.
    pub kind: String,
    /// URL of the scan.
    pub metadata: ResourceMetadata,
    /// Name of the link.
    pub link_name: String,
    /// Name of the topic on the destination.
    pub mirror_topic_name: String,
    /// State of the scan: `NONE` (no scan since the daemon started), `RUNNING`, `DONE` or `FAILED`.
    pub state: String,
    /// Error of a failed scan, else empty.
    #[serde(default)]
    pub error: String,
    /// Time when the scan was requested, in milliseconds since the epoch; null if there is none.
    #[serde(default)]
    pub started_ms: Option<i64>,
    /// Time when the scan ended, in milliseconds since the epoch; null while it runs.
    #[serde(default)]
    pub finished_ms: Option<i64>,
    /// Part of the logs that has been read, in percent.
    pub percent: u8,
    /// Number of offsets in batches that are or contain filler, in all partitions, as far as they have been
    /// read.
    pub filler_offsets: i64,
    /// True if clients must use the gateway; null while that is not known.
    #[serde(default)]
    pub gateway_needed: Option<bool>,
    /// Reason for `gateway_needed`, as readable text.
    pub explanation: String,
    /// Partitions in ascending order.
    pub partitions: Vec<FillerPartition>,
}
