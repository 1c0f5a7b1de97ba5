//! Reads requests before they are sent on, one file per kind.
//!
//! Requests are refused here as far as they would change a read-only mirror topic. The rest of the request is
//! sent on, and its response is completed with the refused entries. A request is judged when it has arrived,
//! and again when it is its turn to be sent, because topics may become mirrors meanwhile. Each handler takes
//! time and memory in proportion to the size of the request.
pub(crate) mod admin;
pub(crate) mod client_identity;
pub(crate) mod end;
pub(crate) mod plan;
pub(crate) mod produce;
pub(crate) mod sasl;
pub(crate) mod sasl_exchange;
pub(crate) mod share;
pub(crate) mod side;
pub(crate) mod transaction;

use bytes::Bytes;

use crate::wire::messages::filtered_array::Kept;
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::versions;

use crate::gateway::error::SessionError;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::reply;
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::plan::{Judged, RequestPlan};
use crate::gateway::request::side::{RequestSide, request_error, response_error};

/// Function that judges one kind of request.
type Judge = fn(&Guards, RequestPrefix, &Bytes) -> Result<Judged, WireError>;

impl RequestSide {
    /// Handles a request that the api table marks for inspection.
    pub(crate) async fn inspect(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), RequestEnd> {
        match prefix.api_key {
            versions::PRODUCE => self.produce(prefix, size).await,
            versions::ADD_PARTITIONS_TO_TXN => self.add_partitions(prefix, size).await,
            versions::WRITE_TXN_MARKERS => self.write_markers(prefix, size).await,
            versions::SASL_HANDSHAKE => self.sasl_handshake(prefix, size).await,
            versions::SHARE_FETCH => self.share_fetch(prefix, size).await,
            _ => self.admin(prefix, size).await,
        }
    }

    /// Judges a request that is held. The refused entries are charged before they are kept, so the request is
    /// judged twice.
    async fn judged(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        judge: Judge,
    ) -> Result<Judged, RequestEnd> {
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

    /// Carries out the plan for a held request. A response is queued before its request is sent.
    async fn execute(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        plan: RequestPlan,
        judge: Judge,
    ) -> Result<(), RequestEnd> {
        match plan {
            RequestPlan::Forward { kept, response } => {
                if let Some(response) = response {
                    self.expect(prefix, response).await?;
                }
                self.send_kept(prefix, frame, &kept, judge).await
            }
            RequestPlan::Refuse(refused) => {
                let reply = reply::refused(prefix, &refused.topics);
                let reply = reply.map_err(|source| response_error(prefix, source))?;
                Ok(self.expect(prefix, ResponsePlan::Local(reply)).await?)
            }
            RequestPlan::Drop => Ok(()),
        }
    }

    /// Sends the kept part of a request. Fails if some of it is refused by now. Entries that were refused
    /// stay refused, even if they would be allowed by now.
    async fn send_kept(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        kept: &Kept,
        judge: Judge,
    ) -> Result<(), RequestEnd> {
        let now = judge(&self.guards, prefix, frame).map_err(|source| request_error(prefix, source))?;
        if !kept.is_within(&now.kept) {
            return Err(SessionError::MirrorMeanwhile.into());
        }
        self.send(kept.pieces(frame)).await
    }
}
