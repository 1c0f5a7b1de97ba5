//! Rewrites Fetch responses: replaces broker addresses, and hides filler in topics that are or were mirrors.

use bytes::Bytes;

use crate::wire::messages::fetch_response::{FetchResponse, NodeEndpoint};
use crate::wire::protocol::header::response_body_at;
use crate::wire::protocol::versions::Api;

use crate::gateway::error::ResponseError;
use crate::gateway::frame::strip_budget::StripBudget;
use crate::gateway::response::Rewriter;
use crate::gateway::response::filler_filter::hide_in;

impl Rewriter {
    pub(crate) async fn fetch(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
        sifting: &mut StripBudget<'_>,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let body_at = response_body_at(&frame, api.has_flexible_response_header(version))?;
        let response = FetchResponse::read(frame.clone(), body_at, version)?;
        let replaced = self.without_filler(&response, correlation_id(&frame), sifting).await;
        if replaced.is_empty() && response.node_endpoints.is_empty() {
            return Ok(vec![frame]);
        }
        Ok(response.splice(replaced, &self.readdressed(&response.node_endpoints))?)
    }

    /// Returns the partitions that held filler, by their place in the response, with the records that the
    /// client gets instead. `turn` is another number for each response.
    async fn without_filler(
        &self,
        response: &FetchResponse,
        turn: i32,
        sifting: &mut StripBudget<'_>,
    ) -> Vec<(usize, Vec<Bytes>)> {
        if self.guards.is_empty() {
            return Vec::new();
        }
        let guards: Vec<_> = response.topics.iter().map(|topic| self.guards.of(topic)).collect();
        let mut replaced = Vec::new();
        // If a response costs too much, the last partitions of the order get nothing. So the order does not
        // always begin with the same one.
        let count = response.partitions.len();
        let first = usize::try_from(turn.unsigned_abs()).unwrap_or(0) % count.max(1);
        for at in (first..count).chain(0..first) {
            let Some(partition) = response.partitions.get(at) else { continue };
            let Some(guard) = guards.get(partition.topic).and_then(Option::as_ref) else { continue };
            let records = response.records(partition);
            if let Some(filtered) = hide_in(guard, partition.index, &records, sifting).await {
                let _ = self.guards.note_filler(&guard.topic);
                self.metrics.hidden(&guard.topic, filtered.hidden);
                replaced.push((at, filtered.pieces));
            }
        }
        replaced.sort_unstable_by_key(|(at, _)| *at);
        replaced
    }

    /// Returns the endpoints with the gateway's addresses, without brokers that have no port.
    pub(crate) fn readdressed(&self, endpoints: &[NodeEndpoint]) -> Vec<NodeEndpoint> {
        let readdress = |node: &NodeEndpoint| {
            let endpoint = self.endpoint(node.node_id)?;
            let (host, port) = (endpoint.host, i32::from(endpoint.port));
            Some(NodeEndpoint { host, port, ..node.clone() })
        };
        endpoints.iter().filter_map(readdress).collect()
    }
}

/// Returns the correlation id of a response, or 0 if the frame is too short.
fn correlation_id(frame: &Bytes) -> i32 {
    frame.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes))
}
