//! Bodies of the forecast of a mirror topic's creation: the answer to a creation that is only validated.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// Forecast of one partition. All offsets are the source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionForecast {
    /// Partition number.
    pub partition: i32,
    /// Log start offset of the source.
    pub source_log_start_offset: i64,
    /// Offset at which the mirror's log will begin.
    pub start_offset: i64,
    /// High watermark of the source.
    pub source_high_watermark: i64,
    /// Number of offsets to fill: those below `start_offset`.
    pub offsets_to_fill: u64,
    /// Number of offsets to copy at the time of the forecast.
    pub offsets_to_copy: u64,
}

/// Answer to `POST …/mirrors?validate_only=true`. Nothing is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorForecastData {
    /// Always `KafkaMirrorForecast`.
    pub kind: String,
    /// URL that the mirror topic would have.
    pub metadata: ResourceMetadata,
    /// Name of the link.
    pub link_name: String,
    /// Name of the topic on the destination.
    pub mirror_topic_name: String,
    /// Name of the topic on the source.
    pub source_topic_name: String,
    /// Effective `mirror.start.offset.spec`: the request's, else the link's.
    pub start_offset_spec: String,
    /// Number of offsets to fill, in all partitions.
    pub offsets_to_fill: u64,
    /// Number of offsets to copy at the time of the forecast, in all partitions.
    pub offsets_to_copy: u64,
    /// Estimated time for the filling, in milliseconds.
    pub estimated_fill_ms: u64,
    /// Estimated size of the filling on each replica, in bytes. It is deleted when the filling is done.
    pub estimated_fill_bytes: u64,
    /// Partitions in ascending order.
    pub partitions: Vec<PartitionForecast>,
}
