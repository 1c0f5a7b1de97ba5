//! What the gateway is told when it is built.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::net::HostPort;
use crate::net::tls::{TlsClient, TlsServer};

pub use super::admission::ConnectionLimits;

/// Where to listen, what to say, whom to connect to.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// `bootstrap.servers` of the destination cluster.
    pub bootstrap_servers: Vec<HostPort>,
    /// Address to listen on.
    pub listen_host: String,
    /// Port of the bootstrap listener; broker n is at this + 1 + n. 0 takes any free one.
    pub listen_port: u16,
    /// Host that clients are told.
    pub advertised_host: String,
    /// Port that clients are told of the bootstrap listener; the one listened on when absent.
    pub advertised_port: Option<u16>,
    /// TLS of the listeners; plain ones when absent.
    pub listener_tls: Option<TlsServer>,
    /// Clients authenticate with the brokers, through the gateway (SASL), before they ask for anything.
    pub sasl: bool,
    /// TLS towards the brokers; plain connections when absent.
    pub broker_tls: Option<TlsClient>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds on what a client may hold, and on how long things may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request in bytes (`socket.request.max.bytes`).
    pub max_request_bytes: usize,
    /// Open client connections, all listeners together.
    pub connections: ConnectionLimits,
    /// Requests of one connection that wait for their response.
    pub max_in_flight: usize,
    /// Time from accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// Time from accepting a connection (from its TLS handshake, where there is one) to its first request.
    pub first_request_timeout: Duration,
    /// Time that a client may be waited for while a request arrives, and a second more for each 16 KiB that have come.
    pub request_arrival_timeout: Duration,
    /// Time without a byte either way and without a response due (`connections.max.idle.ms`).
    pub idle_timeout: Duration,
    /// Time in which a client, or a broker, takes nothing of what it is to get.
    pub stall_timeout: Duration,
    /// Time that a connection may last (`connections.max.age.ms`), give or take a tenth; `None` for as long as it likes.
    pub max_age: Option<Duration>,
    /// Bytes of requests that are held whole, all connections together; one request may go beyond.
    pub request_buffer_bytes: usize,
    /// Bytes of responses that are held, whole or a piece of them, all connections together; one response may go beyond.
    pub response_buffer_bytes: usize,
    /// Time that somebody waits for such bytes before they are taken back from those that have held most for longest.
    pub reclaim_timeout: Duration,
    /// Time to connect to one broker, TLS handshake included.
    pub connect_timeout: Duration,
    /// Time that the responses under way are given once the client or the service stops.
    pub drain_timeout: Duration,
    /// Time between two looks at the brokers of the destination.
    pub directory_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_request_bytes: 100 * 1024 * 1024,
            connections: ConnectionLimits {
                total: 10_000,
                per_address: usize::MAX,
                overrides: BTreeMap::new(),
            },
            max_in_flight: 256,
            handshake_timeout: Duration::from_secs(10),
            first_request_timeout: Duration::from_secs(30),
            request_arrival_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(300),
            max_age: None,
            request_buffer_bytes: 256 * 1024 * 1024,
            response_buffer_bytes: 256 * 1024 * 1024,
            reclaim_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
            directory_interval: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Time between two looks at whether a connection is overdue: a fraction of what it may take.
    pub(super) fn watch_interval(&self) -> Duration {
        let shortest = [self.request_arrival_timeout, self.idle_timeout, self.stall_timeout];
        let shortest = shortest.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}
