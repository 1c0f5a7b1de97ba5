//! Identity and brokers of a cluster (DescribeCluster).

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeClusterRequest;

use crate::client::cluster::Cluster;
use crate::client::cluster::metadata::BrokerMetadata;
use crate::client::error::ClientError;
use crate::net::HostPort;
use crate::wire::protocol::error_code::ErrorCode;

/// Identity and brokers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster id.
    pub cluster_id: String,
    /// Id of the controller, or with KRaft of any broker; -1 for unknown.
    pub controller_id: i32,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, BrokerMetadata>,
}

impl Cluster {
    /// Reads the id and the brokers of the cluster.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
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
