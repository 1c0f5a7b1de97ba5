//! Requests that are read before they go on, one file per kind.
//!
//! What would change a read-only mirror topic is answered here; the rest of such a request goes on, and its answer is
//! completed with what was refused. A request is judged when it has come and again when its turn to be sent has come, since topics
//! become mirrors meanwhile. Each handler takes time and memory in proportion to the bytes of the request.

mod admin;
mod produce;
mod sasl;
mod share;
mod transaction;

use bytes::Bytes;

use crate::wire::header::RequestPrefix;
use crate::wire::kept::Kept;
use crate::wire::primitive::WireError;
use crate::wire::versions;

use super::error::SessionError;
use super::mirror_guard::Guards;
use super::refusal::Refusals;
use super::requests::{RequestSide, Stop, request_error};

pub(super) use sasl::SaslExchange;

/// What becomes of a request.
struct Judged {
    /// What of it goes on.
    kept: Kept,
    refused: Refusals,
}

/// How a kind of request is judged.
type Judge = fn(&Guards, RequestPrefix, &Bytes) -> Result<Judged, WireError>;

impl RequestSide {
    /// Reads a request whose api is in the table to be inspected.
    pub(super) async fn inspect(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        match prefix.api_key {
            versions::PRODUCE => self.produce(prefix, size).await,
            versions::ADD_PARTITIONS_TO_TXN => self.add_partitions(prefix, size).await,
            versions::WRITE_TXN_MARKERS => self.write_markers(prefix, size).await,
            versions::SASL_HANDSHAKE => self.sasl_handshake(prefix, size).await,
            versions::SHARE_FETCH => self.share_fetch(prefix, size).await,
            _ => self.admin(prefix, size).await,
        }
    }

    /// Judges a request that is held. What is refused is charged before it is kept: that takes a second look.
    async fn judged(&mut self, prefix: RequestPrefix, frame: &Bytes, judge: Judge) -> Result<Judged, Stop> {
        let judge = |guards: &Guards| judge(guards, prefix, frame).map_err(|e| request_error(prefix, e));
        let judged = judge(&self.guards)?;
        if judged.refused.is_empty() {
            return Ok(judged);
        }
        let bytes = judged.refused.bytes();
        drop(judged);
        self.client.charge(frame.len() + bytes).await;
        Ok(judge(&self.guards)?)
    }

    /// Sends what was kept of a request, unless some of that is refused now. What would be allowed by now stays
    /// refused: that was decided.
    async fn send_kept(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        kept: &Kept,
        judge: Judge,
    ) -> Result<(), Stop> {
        let now = judge(&self.guards, prefix, frame).map_err(|source| request_error(prefix, source))?;
        if !kept.is_within(&now.kept) {
            return Err(SessionError::MirrorMeanwhile.into());
        }
        self.send(kept.pieces(frame)).await
    }
}
