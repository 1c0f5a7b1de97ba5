//! Answers of brokers, written anew: what a client of the gateway may read.
//!
//! One file per kind of answer. Whatever fails here closes the connection: an answer that was not rewritten could carry
//! a broker's address.

mod addresses;
mod api_versions;
mod configs;
mod fetch;
mod produce;
mod share;

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
use crate::wire::header::response_body_at;
use crate::wire::layout;
use crate::wire::versions::{self, Api};

use super::endpoint_map::Advertised;
use super::error::ResponseError;
use super::inflight::Answer;
use super::metrics::GatewayMetrics;
use super::mirror_guard::Guards;
use super::share_gaps::ShareGaps;
use super::sifting::Sifting;
use addresses::without_voters;
use configs::without_addresses;
use produce::with_refused;

/// What rewriting needs to know.
#[derive(Debug, Clone)]
pub(super) struct Rewriter {
    pub(super) advertised: Advertised,
    pub(super) guards: Guards,
    pub(super) metrics: GatewayMetrics,
    /// Of this connection.
    pub(super) gaps: ShareGaps,
}

impl Rewriter {
    /// The pieces of the frame that the client gets, without its size. `frame` is what the broker sent, without its size;
    /// `sifting` is what looks into its batches may cost.
    ///
    /// # Errors
    /// [`ResponseError`] where the frame is not what it should be.
    pub(super) async fn rewrite(
        &self,
        frame: Bytes,
        api_key: i16,
        version: i16,
        answer: &Answer,
        sifting: &mut Sifting<'_>,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let Some(api) = versions::api(api_key) else { return Ok(vec![frame]) };
        if let Answer::ApiVersionsTooNew = answer {
            return api_versions::too_new(frame);
        }
        let refused = match answer {
            Answer::Merge(refused) => &refused.topics,
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

    /// Where clients find a broker. Ids are checked when listeners are opened; here the entry is left out.
    fn endpoint(&self, id: i32) -> Option<HostPort> {
        self.advertised.broker(id)
    }
}

/// What a client of a gateway with these guards, at this address, gets for a broker's answer (both without their size);
/// `None` where the connection would be closed instead. For tests and fuzzing: a gateway does it by itself.
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
    // Nothing waits where nothing is charged.
    let mut sifting = Sifting::free();
    let rewritten = rewriter.rewrite(frame, api_key, version, &Answer::Rewrite, &mut sifting);
    rewritten.now_or_never().and_then(Result::ok)
}

/// Decodes the body of a broker's answer, lets `change` have it and encodes it again, header untouched.
fn recode<M: Decodable + Encodable>(
    frame: &Bytes,
    api: &Api,
    version: i16,
    change: impl FnOnce(&mut M),
) -> Result<Vec<Bytes>, ResponseError> {
    let body_at = response_body_at(frame, api.has_flexible_response_header(version))?;
    layout::check(api.key, frame, body_at, version, api.is_flexible(version))?;
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
