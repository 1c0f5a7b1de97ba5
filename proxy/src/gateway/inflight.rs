//! The responses that a client waits for, in the order of its requests.
//!
//! The request side pushes an entry before it sends the request on; the response side takes one entry after another and
//! gives each its answer, from the broker or from the gateway. So the order is right by construction, no correlation ids
//! are mapped, and a full queue stops the reading of requests.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::wire::topic_ref::TopicRef;

use super::connection::Due;

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
    Merge(Vec<RefusedTopic>),
    /// The broker, a SASL token without a header.
    Token,
}

impl Answer {
    /// Bytes of a request that are held until its answer is given, or of the answer itself; `None` for nothing.
    pub(super) fn held_bytes(&self) -> Option<usize> {
        match self {
            Answer::Pass | Answer::Rewrite | Answer::ApiVersionsTooNew | Answer::Token => None,
            Answer::Local(frame) => Some(frame.len()),
            // The topics share the memory of the request that named them.
            Answer::Merge(_) => Some(0),
        }
    }
}

/// A topic of a request that went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedTopic {
    /// As the client named it.
    pub(super) topic: TopicRef,
    /// Name of the mirror topic.
    pub(super) name: String,
    /// Its partitions, where the request names them.
    pub(super) partitions: Vec<i32>,
    /// Why, and the way out.
    pub(super) message: String,
}

/// Producer end of the queue.
pub(super) type ExpectedSender = mpsc::Sender<Expected>;
/// Consumer end of the queue.
pub(super) type ExpectedReceiver = mpsc::Receiver<Expected>;
