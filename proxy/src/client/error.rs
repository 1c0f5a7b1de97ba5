//! Errors of requests to a cluster: the side, the kind, whether a retry may help, and a precise text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::HostPort;
use crate::wire::protocol::error_code::ErrorCode;

/// The cluster of a link that a client talks to.
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
    /// No connection could be made.
    #[error("broker {address}: cannot connect: {reason}")]
    Connect {
        /// The address that was dialled.
        address: HostPort,
        /// The reason.
        reason: String,
    },
    /// The name of the broker has no address, or it cannot be looked up.
    #[error("broker {address}: cannot connect: {reason}")]
    Unresolvable {
        /// The address that was dialled.
        address: HostPort,
        /// The reason.
        reason: String,
    },
    /// One side does not accept the other because of certificates, credentials or this side's configs of
    /// them. A retry is useless until something is changed.
    #[error("broker {address}: not authenticated: {reason}")]
    Authentication {
        /// The address that was dialled.
        address: HostPort,
        /// The reason; it never holds a secret.
        reason: String,
    },
    /// The connection was lost. A request in flight may or may not have been carried out.
    #[error("broker {address}: connection lost: {reason}")]
    Lost {
        /// The address of the broker.
        address: HostPort,
        /// The reason.
        reason: String,
    },
    /// No response arrived in time. The request may or may not have been carried out.
    #[error("broker {address}: {api}: no response within {within:?}")]
    Timeout {
        /// The address of the broker.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// The timeout.
        within: Duration,
    },
    /// The request or the response violates the protocol, or a bound of this client.
    #[error("broker {address}: {api}: {reason}")]
    Protocol {
        /// The address of the broker.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// The violation.
        reason: String,
    },
    /// Broker and client have no version of the request in common.
    #[error("broker {address}: {api}: the broker offers {broker}, this client needs {own}")]
    Unsupported {
        /// The address of the broker.
        address: HostPort,
        /// Name of the request.
        api: String,
        /// The versions that the broker offers.
        broker: String,
        /// The versions that this client can use.
        own: String,
    },
    /// The broker answered with an error code.
    #[error("broker {address}: {api}: {code}{}{message}", if message.is_empty() { "" } else { ": " })]
    Kafka {
        /// The address of the broker.
        address: HostPort,
        /// Name of the request, and its object.
        api: String,
        /// The error code.
        code: ErrorCode,
        /// The broker's message; often empty.
        message: String,
    },
    /// Another cluster than the pinned one answers at the address. It was asked only for its id.
    #[error("broker {address} belongs to cluster '{found}', and cluster '{expected}' is expected")]
    ForeignCluster {
        /// The address that was dialled.
        address: HostPort,
        /// The pinned cluster id.
        expected: String,
        /// The cluster id of the broker; empty if it names none.
        found: String,
    },
    /// A partition has no leader at the moment, or does not exist.
    #[error("partition {topic}-{partition} has no leader: {code}")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The error code of the partition in the metadata.
        code: ErrorCode,
    },
    /// The cluster currently has no broker with this id.
    #[error("broker {id} is not part of the cluster")]
    UnknownBroker {
        /// The broker id.
        id: i32,
    },
}

/// Maximum length of a peer's text in an error, in characters.
const MAX_TEXT: usize = 1_000;

impl ErrorKind {
    /// Replaces control characters in the texts, since they may come from a broker and must not affect a
    /// terminal or a log. Shortens long texts.
    fn plain(mut self) -> Self {
        match &mut self {
            ErrorKind::Connect { reason, .. }
            | ErrorKind::Unresolvable { reason, .. }
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

/// Error of a request to a cluster. Cheap to clone, since one failure may concern many callers.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{side}: {kind}")]
pub struct ClientError {
    /// The cluster that the request was for.
    pub side: Side,
    kind: Arc<ErrorKind>,
}

impl ClientError {
    /// Makes an error of this kind.
    #[must_use]
    pub fn new(side: Side, kind: ErrorKind) -> Self {
        ClientError { side, kind: Arc::new(kind.plain()) }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns the error code from the broker's answer or from the metadata, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match &*self.kind {
            ErrorKind::Kafka { code, .. } | ErrorKind::NoLeader { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns true if the same request may succeed later, perhaps at another broker. It does not say that a
    /// retry is harmless: after [`ErrorKind::Lost`] and [`ErrorKind::Timeout`] the request may have been
    /// carried out.
    #[must_use]
    pub fn retriable(&self) -> bool {
        match &*self.kind {
            ErrorKind::Connect { .. }
            | ErrorKind::Unresolvable { .. }
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
    fn a_brokers_text_is_sanitized_and_shortened() {
        let address = HostPort::new("h", 9092);
        let reason = format!("wrong\u{1b}]0;owned\u{7}\n\u{202e}{}", "x".repeat(100_000));
        let error = ClientError::new(Side::Source, ErrorKind::Authentication { address, reason }).to_string();
        assert!(error.contains("wrong ]0;owned   xxx"), "{}", &error[..100]);
        assert!(!error.contains(char::is_control) && error.len() < 2_000, "{}", error.len());
    }
}
