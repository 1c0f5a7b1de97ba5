//! Fetch answers: broker addresses, and filler hidden in topics that are or were mirrors.

use bytes::Bytes;

use crate::wire::fetch_response::{FetchResponse, NodeEndpoint};
use crate::wire::header::response_body_at;
use crate::wire::versions::Api;

use super::super::error::ResponseError;
use super::super::fetch_filter::hide_filler;
use super::Rewriter;

impl Rewriter {
    pub(super) fn fetch(&self, frame: Bytes, api: &Api, version: i16) -> Result<Vec<Bytes>, ResponseError> {
        let body_at = response_body_at(&frame, api.has_flexible_response_header(version))?;
        let response = FetchResponse::read(frame.clone(), body_at, version)?;
        let replaced = self.without_filler(&response);
        if replaced.is_empty() && response.node_endpoints.is_empty() {
            return Ok(vec![frame]);
        }
        Ok(response.splice(replaced, &self.readdressed(&response.node_endpoints))?)
    }

    /// The partitions that held filler, with the records that the client gets instead.
    fn without_filler(&self, response: &FetchResponse) -> Vec<(usize, Vec<Bytes>)> {
        if self.guards.is_empty() {
            return Vec::new();
        }
        let guards: Vec<_> = response.topics.iter().map(|topic| self.guards.of(topic)).collect();
        let mut replaced = Vec::new();
        for (at, partition) in response.partitions.iter().enumerate() {
            let Some(guard) = guards.get(partition.topic).and_then(Option::as_ref) else { continue };
            if let Some(filtered) = hide_filler(&response.records(partition)) {
                let _ = self.guards.note_filler(&guard.topic);
                self.metrics.hidden(&guard.topic, filtered.hidden);
                replaced.push((at, filtered.pieces));
            }
        }
        replaced
    }

    /// The gateway's own endpoints of these brokers.
    pub(super) fn readdressed(&self, endpoints: &[NodeEndpoint]) -> Vec<NodeEndpoint> {
        let readdress = |node: &NodeEndpoint| {
            let endpoint = self.endpoint(node.node_id)?;
            let (host, port) = (endpoint.host, i32::from(endpoint.port));
            Some(NodeEndpoint { host, port, ..node.clone() })
        };
        endpoints.iter().filter_map(readdress).collect()
    }
}
