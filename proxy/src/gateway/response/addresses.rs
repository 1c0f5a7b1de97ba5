//! Replaces broker addresses in responses by the gateway's.
//!
//! A broker whose id has no port is left out of every list, as if it were down: its address must not reach a
//! client.

use bytes::Bytes;
use kafka_protocol::messages::{
    BrokerId, DescribeClusterResponse, DescribeQuorumResponse, FindCoordinatorResponse, MetadataResponse,
};
use kafka_protocol::protocol::StrBytes;
use state::model::KafkaUuid;

use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::versions::Api;

use crate::gateway::error::ResponseError;
use crate::gateway::response::{Rewriter, recode};

impl Rewriter {
    pub(crate) fn metadata(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
    ) -> Result<Vec<Bytes>, ResponseError> {
        recode::<MetadataResponse>(&frame, api, version, |response| {
            response
                .brokers
                .retain_mut(|broker| self.readdress(broker.node_id.0, &mut broker.host, &mut broker.port));
            for topic in &response.topics {
                if let Some(name) = &topic.name {
                    self.guards.note_id(name, KafkaUuid(topic.topic_id));
                }
            }
        })
    }

    pub(crate) fn describe_cluster(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
    ) -> Result<Vec<Bytes>, ResponseError> {
        recode::<DescribeClusterResponse>(&frame, api, version, |response| {
            response
                .brokers
                .retain_mut(|broker| self.readdress(broker.broker_id.0, &mut broker.host, &mut broker.port));
        })
    }

    pub(crate) fn find_coordinator(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
    ) -> Result<Vec<Bytes>, ResponseError> {
        recode::<FindCoordinatorResponse>(&frame, api, version, |response| {
            let (node, host, port) = (&mut response.node_id, &mut response.host, &mut response.port);
            self.coordinator(node, host, port, &mut response.error_code);
            for entry in &mut response.coordinators {
                self.coordinator(&mut entry.node_id, &mut entry.host, &mut entry.port, &mut entry.error_code);
            }
        })
    }

    /// Replaces a broker's address by the gateway's. Clears it and returns `false` if the gateway has no port
    /// for this id.
    pub(crate) fn readdress(&self, id: i32, host: &mut StrBytes, port: &mut i32) -> bool {
        match self.endpoint(id) {
            Some(endpoint) => {
                *host = StrBytes::from(endpoint.host);
                *port = i32::from(endpoint.port);
                true
            }
            None => {
                *host = StrBytes::default();
                *port = -1;
                false
            }
        }
    }

    /// Replaces the address of a coordinator. A response without a coordinator has node -1 and no address; it
    /// stays as it is.
    fn coordinator(&self, node: &mut BrokerId, host: &mut StrBytes, port: &mut i32, error_code: &mut i16) {
        // In versions with a list, the flat fields are unset: node 0 without a host.
        if node.0 < 0 || host.is_empty() {
            return;
        }
        if !self.readdress(node.0, host, port) {
            *node = BrokerId(-1);
            *error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE.0;
        }
    }
}

/// Removes the addresses of controllers (version 2): the gateway has no listener for them.
pub(crate) fn without_voters(frame: &Bytes, api: &Api, version: i16) -> Result<Vec<Bytes>, ResponseError> {
    recode::<DescribeQuorumResponse>(frame, api, version, |response| {
        for node in &mut response.nodes {
            node.listeners.clear();
        }
    })
}
