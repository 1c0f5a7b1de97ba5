//! What the cluster says of itself.

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeClusterRequest;

use super::super::cluster::Cluster;
use super::super::error::ClientError;
use super::super::metadata::BrokerMetadata;
use crate::net::HostPort;
use crate::wire::error_code::ErrorCode;

/// Identity and brokers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: String,
    /// The controller, or with KRaft any broker; -1 for unknown.
    pub controller_id: i32,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, BrokerMetadata>,
}

impl Cluster {
    /// Id and brokers of the cluster, by DescribeCluster.
    ///
    /// # Errors
    /// The broker's code and words, or why none could be asked.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        self.retrying(None, || async {
            let broker = self.any().await?;
            let response = broker.call_at_most(DescribeClusterRequest::default(), 0).await?;
            ErrorCode(response.error_code).ok().map_err(|code| {
                let message = response.error_message.as_deref().unwrap_or_default();
                broker.answered("DescribeCluster", code, message)
            })?;
            let brokers = response.brokers.into_iter().map(|broker| {
                let address = HostPort::new(broker.host.as_str(), u16::try_from(broker.port).unwrap_or(0));
                let rack = broker.rack.map(|rack| rack.to_string());
                (broker.broker_id.0, BrokerMetadata { address, rack })
            });
            Ok(ClusterDescription {
                cluster_id: response.cluster_id.to_string(),
                controller_id: response.controller_id.0,
                brokers: brokers.collect(),
            })
        })
        .await
    }
}
