//! What went wrong with a request to a cluster: on which side, whether it may be retried, and a precise text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::HostPort;
use crate::wire::error_code::ErrorCode;

/// Which cluster of a link a client talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The cluster that is mirrored.
    Source,
    /// The cluster that holds the mirror topics.
    Destination,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Destination => "destination",
        })
    }
}

/// The kinds of [`ClientError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// No connection came about.
    #[error("broker {address}: cannot connect: {reason}")]
    Connect {
        /// Who was dialled.
        address: HostPort,
        /// What happened.
        reason: String,
    },
    /// One side does not accept the other: certificates, credentials, or our own configs of them. Trying again is of no use
    /// before something is changed.
    #[error("broker {address}: not authenticated: {reason}")]
    Authentication {
        /// Who was dialled.
        address: HostPort,
        /// What happened; never with a secret in it.
        reason: String,
    },
    /// The connection was lost. A request under way may or may not have been carried out.
    #[error("broker {address}: connection lost: {reason}")]
    Lost {
        /// The peer.
        address: HostPort,
        /// What happened.
        reason: String,
    },
    /// No response in time. The request may or may not have been carried out.
    #[error("broker {address}: {api}: no response within {within:?}")]
    Timeout {
        /// The peer.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// The time allowed.
        within: Duration,
    },
    /// The request or the response does not fit the protocol, or a bound of ours.
    #[error("broker {address}: {api}: {reason}")]
    Protocol {
        /// The peer.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// What does not fit.
        reason: String,
    },
    /// There is no version of the request that both sides know.
    #[error("broker {address}: {api}: the broker offers {broker}, this client needs {own}")]
    Unsupported {
        /// The peer.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// What the broker offers.
        broker: String,
        /// What this client can use.
        own: String,
    },
    /// The broker answered with an error code.
    #[error("broker {address}: {api}: {code}{}{message}", if message.is_empty() { "" } else { ": " })]
    Kafka {
        /// The peer.
        address: HostPort,
        /// Name of the request, and what it was about.
        api: String,
        /// The code.
        code: ErrorCode,
        /// The broker's own words; often empty.
        message: String,
    },
    /// Another cluster than the pinned one answers at the address. It was asked nothing but who it is.
    #[error("broker {address} belongs to cluster '{found}', and cluster '{expected}' is expected")]
    ForeignCluster {
        /// Who was dialled.
        address: HostPort,
        /// The pinned cluster id.
        expected: String,
        /// The cluster id of the broker; empty when it names none.
        found: String,
    },
    /// A partition has no leader at the moment, or there is no such partition.
    #[error("partition {topic}-{partition} has no leader: {code}")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The code that the metadata carries for it.
        code: ErrorCode,
    },
    /// The cluster has no such broker (now).
    #[error("broker {id} is not part of the cluster")]
    UnknownBroker {
        /// The id.
        id: i32,
    },
}

/// Longest text of a peer in an error, in characters.
const MAX_TEXT: usize = 1_000;

impl ErrorKind {
    /// The same with texts that do nothing to a terminal or a log: what is in them may be a broker's words.
    fn plain(mut self) -> Self {
        match &mut self {
            ErrorKind::Connect { reason, .. }
            | ErrorKind::Authentication { reason, .. }
            | ErrorKind::Lost { reason, .. }
            | ErrorKind::Protocol { reason, .. } => make_plain(reason),
            ErrorKind::Kafka { message, .. } => make_plain(message),
            ErrorKind::ForeignCluster { expected, found, .. } => {
                make_plain(expected);
                make_plain(found);
            }
            ErrorKind::Timeout { .. }
            | ErrorKind::Unsupported { .. }
            | ErrorKind::NoLeader { .. }
            | ErrorKind::UnknownBroker { .. } => {}
        }
        self
    }
}

fn make_plain(text: &mut String) {
    let is_harmful =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.len() > MAX_TEXT || text.contains(is_harmful) {
        *text = text.chars().take(MAX_TEXT).map(|c| if is_harmful(c) { ' ' } else { c }).collect();
    }
}

/// A request to a cluster failed. Cheap to clone: one failure may concern many waiters.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{side}: {kind}")]
pub struct ClientError {
    /// Which cluster.
    pub side: Side,
    kind: Arc<ErrorKind>,
}

impl ClientError {
    /// An error of this kind.
    #[must_use]
    pub fn new(side: Side, kind: ErrorKind) -> Self {
        ClientError { side, kind: Arc::new(kind.plain()) }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The code that the broker answered with, where it did.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match &*self.kind {
            ErrorKind::Kafka { code, .. } | ErrorKind::NoLeader { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, perhaps at another broker. Says nothing on whether repeating it is
    /// harmless: after [`ErrorKind::Lost`] and [`ErrorKind::Timeout`] it may have been carried out.
    #[must_use]
    pub fn retriable(&self) -> bool {
        match &*self.kind {
            ErrorKind::Connect { .. }
            | ErrorKind::Lost { .. }
            | ErrorKind::Timeout { .. }
            // The right cluster may be back at any moment.
            | ErrorKind::ForeignCluster { .. }
            | ErrorKind::NoLeader { .. }
            | ErrorKind::UnknownBroker { .. } => true,
            ErrorKind::Kafka { code, .. } => code.retriable(),
            ErrorKind::Authentication { .. } | ErrorKind::Protocol { .. } | ErrorKind::Unsupported { .. } => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_side_broker_request_and_code() {
        let kafka = |message: &str| ErrorKind::Kafka {
            address: HostPort::new("h", 9092),
            api: "CreateTopics 'users'".into(),
            code: ErrorCode::NOT_CONTROLLER,
            message: message.into(),
        };
        let error = ClientError::new(Side::Destination, kafka(""));
        assert_eq!(
            error.to_string(),
            "destination: broker h:9092: CreateTopics 'users': NOT_CONTROLLER (41)"
        );
        assert!(error.retriable());
        assert_eq!(error.code(), Some(ErrorCode::NOT_CONTROLLER));
        let error = ClientError::new(Side::Source, kafka("go away"));
        assert!(error.to_string().ends_with("NOT_CONTROLLER (41): go away"));
    }

    #[test]
    fn a_brokers_words_are_plain_and_short() {
        let address = HostPort::new("h", 9092);
        let reason = format!("wrong\u{1b}]0;owned\u{7}\n\u{202e}{}", "x".repeat(100_000));
        let error = ClientError::new(Side::Source, ErrorKind::Authentication { address, reason }).to_string();
        assert!(error.contains("wrong ]0;owned   xxx"), "{}", &error[..100]);
        assert!(!error.contains(char::is_control) && error.len() < 2_000, "{}", error.len());
    }
}
