//! How much filler a destination topic holds: the census of a topic that is or was a mirror.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// What one partition of the destination holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FillerPartition {
    /// Its number.
    pub partition: i32,
    /// Where its log began when it was read.
    pub log_start_offset: i64,
    /// Where the reading ends: at the end of the mirror when it was stopped, else at the high watermark.
    pub scan_end_offset: i64,
    /// Everything below has been read.
    pub scanned_to_offset: i64,
    /// Offsets covered by batches of or with filler.
    pub filler_offsets: i64,
    /// Those batches.
    pub filler_batches: i64,
    /// Last offset of the last of them; null for no filler.
    #[serde(default)]
    pub last_filler_offset: Option<i64>,
}

/// Answer to `GET …/mirrors/{topic}/filler` and `POST …/mirrors/{topic}/filler:scan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FillerData {
    /// `KafkaMirrorFiller`.
    pub kind: String,
    /// Where it is.
    pub metadata: ResourceMetadata,
    /// The link.
    pub link_name: String,
    /// Name on the destination.
    pub mirror_topic_name: String,
    /// `NONE` before the first scan since the daemon started, `RUNNING`, `DONE` or `FAILED`.
    pub state: String,
    /// Why the scan failed; empty when it did not.
    #[serde(default)]
    pub error: String,
    /// When the scan was asked for, in milliseconds since the epoch; null for none.
    #[serde(default)]
    pub started_ms: Option<i64>,
    /// When it ended, in milliseconds since the epoch; null while it runs.
    #[serde(default)]
    pub finished_ms: Option<i64>,
    /// How much of the logs has been read.
    pub percent: u8,
    /// Offsets covered by batches of or with filler, in all partitions, as far as they have been read.
    pub filler_offsets: i64,
    /// Whether clients must go through the gateway; null while that is not known.
    #[serde(default)]
    pub gateway_needed: Option<bool>,
    /// Why, for people.
    pub explanation: String,
    /// The partitions, by number.
    pub partitions: Vec<FillerPartition>,
}
