//! Fetch answers: broker addresses, and filler hidden in topics that are or were mirrors.

use bytes::Bytes;

use crate::wire::fetch_response::{FetchResponse, NodeEndpoint};
use crate::wire::header::response_body_at;
use crate::wire::versions::Api;

use super::super::error::ResponseError;
use super::super::fetch_filter::hide_in;
use super::super::sifting::Sifting;
use super::Rewriter;

impl Rewriter {
    pub(super) async fn fetch(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
        sifting: &mut Sifting<'_>,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let body_at = response_body_at(&frame, api.has_flexible_response_header(version))?;
        let response = FetchResponse::read(frame.clone(), body_at, version)?;
        let replaced = self.without_filler(&response, correlation_id(&frame), sifting).await;
        if replaced.is_empty() && response.node_endpoints.is_empty() {
            return Ok(vec![frame]);
        }
        Ok(response.splice(replaced, &self.readdressed(&response.node_endpoints))?)
    }

    /// The partitions that held filler, with the records that the client gets instead, by their place. `turn` is another number for
    /// each answer.
    async fn without_filler(
        &self,
        response: &FetchResponse,
        turn: i32,
        sifting: &mut Sifting<'_>,
    ) -> Vec<(usize, Vec<Bytes>)> {
        if self.guards.is_empty() {
            return Vec::new();
        }
        let guards: Vec<_> = response.topics.iter().map(|topic| self.guards.of(topic)).collect();
        let mut replaced = Vec::new();
        // Where an answer costs too much, the partitions that are looked at last get nothing: not always the same.
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

/// What an answer begins with.
fn correlation_id(frame: &Bytes) -> i32 {
    frame.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes))
}
