//! Body of the destination cluster (`GET /clusters`).

use serde::{Deserialize, Serialize};

use super::common::ResourceMetadata;

/// Link to a related collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Related {
    /// URL of the collection.
    pub related: String,
}

/// The destination cluster: entry of `GET /clusters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterData {
    /// Always `KafkaCluster`.
    pub kind: String,
    /// URL of the cluster.
    pub metadata: ResourceMetadata,
    /// Id of the destination cluster.
    pub cluster_id: String,
    /// URL of the controller.
    pub controller: Related,
    /// URL of the ACLs.
    pub acls: Related,
    /// URL of the brokers.
    pub brokers: Related,
    /// URL of the broker configs.
    pub broker_configs: Related,
    /// URL of the consumer groups.
    pub consumer_groups: Related,
    /// URL of the topics.
    pub topics: Related,
    /// URL of the partition reassignments.
    pub partition_reassignments: Related,
}
