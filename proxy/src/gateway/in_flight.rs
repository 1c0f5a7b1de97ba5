//! Queue of the responses that a client waits for, in the order of its requests.
//!
//! The request side pushes an entry before it sends the request on. The response side takes one entry after
//! another and delivers its response, from the broker or from the gateway. So the order is right by
//! construction, correlation ids need no mapping, and a full queue stops the reading of requests.

use crate::gateway::budget::BudgetPermit;
use crate::gateway::connection::{FinalSaslMessage, OpenConnection};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::gateway::reply::refusal::RequestRefusals;

/// Response that is due to the client.
#[derive(Debug)]
pub(crate) struct InFlightRequest {
    pub(crate) correlation_id: i32,
    pub(crate) api_key: i16,
    pub(crate) api_version: i16,
    pub(crate) answer: ResponsePlan,
    pub(crate) due: DueResponse,
}

/// Origin of a response.
#[derive(Debug)]
pub(crate) enum ResponsePlan {
    /// From the gateway: a whole frame, its size field included.
    Local(Bytes),
    /// From the broker, byte for byte.
    Pass,
    /// From the broker, rewritten.
    Rewrite,
    /// From the broker: its list of api versions in version 0, for a request that is too new for the gateway.
    ApiVersionsTooNew,
    /// From the broker, for the topics that were sent on. The refused topics are added.
    Merge(RequestRefusals),
    /// From the broker, byte for byte. The channel tells the request side whether the broker accepted the
    /// handshake, so that it takes tokens without headers from now on.
    Handshake(oneshot::Sender<bool>),
    /// From the broker: a SASL token without a header.
    SaslToken(SaslTokenResponse),
}

/// Meaning of the response to a SASL token without a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaslTokenResponse {
    /// More tokens follow.
    Step,
    /// The client has authenticated. Otherwise the broker would have closed the connection.
    Last,
    /// The client has authenticated if the response is empty (RFC 7628).
    LastIfEmpty,
}

impl ResponsePlan {
    /// Returns the number of bytes that are held until the response is delivered: data of the request, or the
    /// response itself. `None` if nothing is held.
    pub(crate) fn held_bytes(&self) -> Option<usize> {
        match self {
            ResponsePlan::Pass
            | ResponsePlan::Rewrite
            | ResponsePlan::ApiVersionsTooNew
            | ResponsePlan::Handshake(_)
            | ResponsePlan::SaslToken(_) => None,
            ResponsePlan::Local(frame) => Some(frame.len()),
            ResponsePlan::Merge(refused) => Some(refused.bytes()),
        }
    }
}

/// Sending end of the queue.
pub(crate) type ExpectedSender = mpsc::Sender<InFlightRequest>;
/// Receiving end of the queue.
pub(crate) type ExpectedReceiver = mpsc::Receiver<InFlightRequest>;

/// Marker of a response that is due. The response counts as due until this is dropped.
#[derive(Debug)]
pub(crate) struct DueResponse {
    pub(crate) connection: Arc<OpenConnection>,
    /// Authentication that the request completes if the broker accepts it.
    pub(crate) offer: Option<FinalSaslMessage>,
    _held: Option<BudgetPermit>,
}

impl DueResponse {
    /// Counts a response as due. `held` is the budget permit for the memory of the response until it is
    /// delivered.
    pub(crate) fn new(
        connection: &Arc<OpenConnection>,
        offer: Option<FinalSaslMessage>,
        held: Option<BudgetPermit>,
    ) -> Self {
        connection.activity.response_due();
        DueResponse { connection: Arc::clone(connection), offer, _held: held }
    }
}

impl Drop for DueResponse {
    fn drop(&mut self) {
        self.connection.activity.response_done();
    }
}
