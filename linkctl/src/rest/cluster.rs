//! The destination cluster, as `GET /clusters` shows it.

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

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
