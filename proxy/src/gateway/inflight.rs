//! The responses that a client waits for, in the order of its requests.
//!
//! The request side pushes an entry before it sends the request on; the response side takes one entry after another and
//! gives each its answer, from the broker or from the gateway. So the order is right by construction, no correlation ids
//! are mapped, and a full queue stops the reading of requests.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::connection::Due;
use super::refusal::Refusals;

/// One response that is due.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) correlation_id: i32,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) answer: Answer,
    pub(super) due: Due,
}

/// Where it comes from.
#[derive(Debug)]
pub(super) enum Answer {
    /// The gateway: a whole frame, size included.
    Local(Bytes),
    /// The broker, byte for byte.
    Pass,
    /// The broker, written anew.
    Rewrite,
    /// The broker's list of api versions in version 0, for a request too new for the gateway.
    ApiVersionsTooNew,
    /// The broker, for the topics that went on, with the refused ones added.
    Merge(Refusals),
    /// The broker, byte for byte; whoever waits is told whether it takes tokens without headers from now on.
    Handshake(oneshot::Sender<bool>),
    /// The broker, a SASL token without a header.
    Token(Token),
}

/// What the answer to a SASL token without a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// More are to come.
    Step,
    /// The client has authenticated: a broker closes the connection otherwise.
    Last,
    /// As [`Token::Last`], if there is nothing in it (RFC 7628).
    LastIfEmpty,
}

impl Answer {
    /// Bytes of a request that are held until its answer is given, or of the answer itself; `None` for nothing.
    pub(super) fn held_bytes(&self) -> Option<usize> {
        match self {
            Answer::Pass
            | Answer::Rewrite
            | Answer::ApiVersionsTooNew
            | Answer::Handshake(_)
            | Answer::Token(_) => None,
            Answer::Local(frame) => Some(frame.len()),
            Answer::Merge(refused) => Some(refused.bytes()),
        }
    }
}

/// Producer end of the queue.
pub(super) type ExpectedSender = mpsc::Sender<Expected>;
/// Consumer end of the queue.
pub(super) type ExpectedReceiver = mpsc::Receiver<Expected>;
