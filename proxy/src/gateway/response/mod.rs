//! Rewrites broker responses for clients of the gateway, one file per kind of response.
//!
//! Any failure here closes the connection: a response that was not rewritten could hold a broker's address.
pub(crate) mod addresses;
pub(crate) mod api_versions;
pub(crate) mod configs;
pub(crate) mod fetch;
pub(crate) mod fetch_stream;
pub(crate) mod filler_filter;
pub(crate) mod produce;
pub(crate) mod share;
pub(crate) mod share_gaps;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use kafka_protocol::messages::{
    AlterConfigsResponse, CreatePartitionsResponse, DeleteRecordsResponse, DeleteTopicsResponse,
    IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use state::model::TopicGuards;
use tokio::sync::watch;

use crate::net::HostPort;
use crate::wire::protocol::header::response_body_at;
use crate::wire::protocol::response_schema;
use crate::wire::protocol::versions::{self, Api};

use crate::gateway::endpoint_map::Advertised;
use crate::gateway::error::ResponseError;
use crate::gateway::frame::strip_budget::StripBudget;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::response::addresses::without_voters;
use crate::gateway::response::configs::without_addresses;
use crate::gateway::response::produce::with_refused;
use crate::gateway::response::share_gaps::ShareGaps;

/// Data that rewriting needs.
#[derive(Debug, Clone)]
pub(crate) struct Rewriter {
    pub(crate) advertised: Advertised,
    pub(crate) guards: Guards,
    pub(crate) metrics: GatewayMetrics,
    /// Gaps of this connection.
    pub(crate) gaps: ShareGaps,
}

impl Rewriter {
    /// Returns the pieces of the frame that the client gets, without its size field. `frame` is the broker's,
    /// without its size field. `sifting` bounds and charges the sifting of its batches.
    ///
    /// # Errors
    /// [`ResponseError`] if the frame is malformed.
    pub(crate) async fn rewrite(
        &self,
        frame: Bytes,
        api_key: i16,
        version: i16,
        answer: &ResponsePlan,
        sifting: &mut StripBudget<'_>,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let Some(api) = versions::api(api_key) else { return Ok(vec![frame]) };
        if let ResponsePlan::ApiVersionsTooNew = answer {
            return api_versions::too_new(frame);
        }
        let refused = match answer {
            ResponsePlan::Merge(refused) => &refused.topics,
            _ => &[][..],
        };
        match api.key {
            versions::API_VERSIONS => api_versions::intersect(frame, version),
            versions::METADATA => self.metadata(frame, api, version),
            versions::FIND_COORDINATOR => self.find_coordinator(frame, api, version),
            versions::DESCRIBE_CLUSTER => self.describe_cluster(frame, api, version),
            versions::SHARE_FETCH => self.share_fetch(frame, api, version, sifting).await,
            versions::SHARE_ACKNOWLEDGE => self.share_acknowledge(frame, api, version),
            versions::DESCRIBE_CONFIGS => without_addresses(&frame, api, version),
            versions::DESCRIBE_QUORUM => without_voters(&frame, api, version),
            versions::PRODUCE => self.produce(frame, api, version, refused),
            versions::DELETE_TOPICS => with_refused::<DeleteTopicsResponse>(&frame, api, version, refused),
            versions::DELETE_RECORDS => with_refused::<DeleteRecordsResponse>(&frame, api, version, refused),
            versions::CREATE_PARTITIONS => {
                with_refused::<CreatePartitionsResponse>(&frame, api, version, refused)
            }
            versions::ALTER_CONFIGS => with_refused::<AlterConfigsResponse>(&frame, api, version, refused),
            versions::INCREMENTAL_ALTER_CONFIGS => {
                with_refused::<IncrementalAlterConfigsResponse>(&frame, api, version, refused)
            }
            versions::FETCH => self.fetch(frame, api, version, sifting).await,
            _ => Ok(vec![frame]),
        }
    }

    /// Returns the address at which clients find a broker, or `None` if its id has no port. This is logged
    /// when listeners are opened, so here the entry is only left out.
    fn endpoint(&self, id: i32) -> Option<HostPort> {
        self.advertised.broker(id)
    }
}

/// Returns the response that a client gets for a broker's response from a gateway with these guards and this
/// address (both frames without size field). Returns `None` if the gateway would close the connection
/// instead. For tests and fuzzing; a gateway does this by itself.
#[must_use]
pub fn rewrite_answer(
    guards: TopicGuards,
    bootstrap: HostPort,
    api_key: i16,
    version: i16,
    frame: Bytes,
) -> Option<Vec<Bytes>> {
    let rewriter = Rewriter {
        advertised: Advertised { bootstrap },
        guards: Guards::new(watch::channel(Arc::new(guards)).1),
        metrics: GatewayMetrics::default(),
        gaps: ShareGaps::default(),
    };
    // Nothing is charged, so nothing waits.
    let mut sifting = StripBudget::free();
    let rewritten = rewriter.rewrite(frame, api_key, version, &ResponsePlan::Rewrite, &mut sifting);
    rewritten.now_or_never().and_then(Result::ok)
}

/// Decodes the body of a broker's response, applies `change`, and encodes it again. The header stays as it
/// is.
fn recode<M: Decodable + Encodable>(
    frame: &Bytes,
    api: &Api,
    version: i16,
    change: impl FnOnce(&mut M),
) -> Result<Vec<Bytes>, ResponseError> {
    let body_at = response_body_at(frame, api.has_flexible_response_header(version))?;
    response_schema::check(api.key, frame, body_at, version, api.is_flexible(version))?;
    let mut body = frame.slice(body_at..);
    let mut message = M::decode(&mut body, version).map_err(codec)?;
    change(&mut message);
    let mut out = BytesMut::with_capacity(frame.len() + 64);
    out.extend_from_slice(&frame[..body_at]);
    message.encode(&mut out, version).map_err(codec)?;
    Ok(vec![out.freeze()])
}

fn codec(error: impl std::fmt::Display) -> ResponseError {
    ResponseError::Codec(error.to_string())
}
