//! Rewrites Produce responses: replaces broker addresses, and adds the refused topics if the rest of the
//! request was sent on.

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;

use crate::wire::protocol::versions::Api;

use crate::gateway::error::ResponseError;
use crate::gateway::reply::AddRefused;
use crate::gateway::reply::refusal::RefusedTopic;
use crate::gateway::response::{Rewriter, recode};

impl Rewriter {
    pub(crate) fn produce(
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

/// Returns the broker's response with the refused topics added.
pub(crate) fn with_refused<R: AddRefused>(
    frame: &Bytes,
    api: &Api,
    version: i16,
    refused: &[RefusedTopic],
) -> Result<Vec<Bytes>, ResponseError> {
    recode::<R>(frame, api, version, |response| response.add(refused, version))
}
