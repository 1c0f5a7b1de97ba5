//! What the gateway is told when it is built.

use std::time::Duration;

use crate::net::HostPort;

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
    /// Bounds.
    pub limits: Limits,
}

/// Bounds on what a client may hold, and on how long things may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request in bytes (`socket.request.max.bytes`).
    pub max_request_bytes: usize,
    /// Open client connections, all listeners together.
    pub max_connections: usize,
    /// Requests of one connection that wait for their response.
    pub max_in_flight: usize,
    /// Time from accepting a connection to its first request.
    pub first_request_timeout: Duration,
    /// Time to connect to one broker.
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
            max_connections: 10_000,
            max_in_flight: 256,
            first_request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
            directory_interval: Duration::from_secs(5),
        }
    }
}
