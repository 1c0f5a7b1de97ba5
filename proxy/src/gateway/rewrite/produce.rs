//! Produce answers: broker addresses, and the refused topics of a request of which the rest went on.

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;

use crate::wire::versions::Api;

use super::super::error::ResponseError;
use super::super::refusal::RefusedTopic;
use super::super::reply::AddRefused;
use super::{Rewriter, recode};

impl Rewriter {
    pub(super) fn produce(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
        refused: &[RefusedTopic],
    ) -> Result<Vec<Bytes>, ResponseError> {
        recode::<ProduceResponse>(&frame, api, version, |response| {
            response
                .node_endpoints
                .retain_mut(|node| self.readdress(node.node_id.0, &mut node.host, &mut node.port));
            response.add(refused, version);
        })
    }
}

/// The broker's answer, with the refused topics added.
pub(super) fn with_refused<R: AddRefused>(
    frame: &Bytes,
    api: &Api,
    version: i16,
    refused: &[RefusedTopic],
) -> Result<Vec<Bytes>, ResponseError> {
    recode::<R>(frame, api, version, |response| response.add(refused, version))
}
