//! How a client connects and how long it waits.

use std::time::Duration;

use super::error::Side;
use super::pin::ClusterPin;
use super::security::Security;
use crate::net::SocketOptions;

/// Options of a client; the same for all its connections.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Which cluster it talks to: begins every error text.
    pub side: Side,
    /// `client.id` of every request.
    pub client_id: String,
    /// Time for name resolution, TCP and TLS handshake, and again for the version negotiation.
    pub connect_timeout: Duration,
    /// Time from queueing a request to its response. A connection on which a request timed out is given up, since a
    /// broker answers one request of a connection after another.
    pub request_timeout: Duration,
    /// Largest response frame accepted, in bytes.
    pub max_response_bytes: usize,
    /// Requests that may wait for the socket; more make their callers wait.
    pub queue: usize,
    /// How connections are secured.
    pub security: Security,
    /// Socket buffers.
    pub socket: SocketOptions,
    /// Delay before a broker that did not answer is dialled again; doubles with every failure.
    pub reconnect_backoff: Duration,
    /// Largest such delay.
    pub reconnect_backoff_max: Duration,
    /// The cluster that brokers must belong to, asked of each connection before anything else; `None` asks nothing.
    pub pin: Option<ClusterPin>,
}

impl ClientOptions {
    /// The defaults, for a cluster on this side.
    #[must_use]
    pub fn new(side: Side) -> Self {
        ClientOptions {
            side,
            client_id: "linkgate".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_response_bytes: 128 << 20,
            queue: 64,
            security: Security::default(),
            socket: SocketOptions::default(),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(2),
            pin: None,
        }
    }
}
