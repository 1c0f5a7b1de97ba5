//! What the creation of a mirror topic will take: the answer to one that is only validated.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// One partition. Offsets are the source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionForecast {
    /// Its number.
    pub partition: i32,
    /// Where the source's log begins.
    pub source_log_start_offset: i64,
    /// Where the mirror's log will begin.
    pub start_offset: i64,
    /// High watermark of the source.
    pub source_high_watermark: i64,
    /// Offsets to fill: those below `start_offset`.
    pub offsets_to_fill: u64,
    /// Offsets to copy, as of now.
    pub offsets_to_copy: u64,
}

/// Answer to `POST …/mirrors?validate_only=true`. Nothing has been created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorForecastData {
    /// `KafkaMirrorForecast`.
    pub kind: String,
    /// Where the mirror topic would be.
    pub metadata: ResourceMetadata,
    /// The link.
    pub link_name: String,
    /// Name on the destination.
    pub mirror_topic_name: String,
    /// Name on the source.
    pub source_topic_name: String,
    /// `mirror.start.offset.spec` that counts: the request's, else the link's.
    pub start_offset_spec: String,
    /// Offsets to fill, in all partitions.
    pub offsets_to_fill: u64,
    /// Offsets to copy, in all partitions, as of now.
    pub offsets_to_copy: u64,
    /// Estimate of how long the filling takes, in milliseconds.
    pub estimated_fill_ms: u64,
    /// Estimate of what the filling writes on each replica, in bytes; deleted again when it is done.
    pub estimated_fill_bytes: u64,
    /// The partitions, by number.
    pub partitions: Vec<PartitionForecast>,
}
