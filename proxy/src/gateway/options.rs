//! Options of the gateway.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::net::HostPort;
use crate::net::tls::{TlsClient, TlsServer};

/// Addresses, TLS and limits of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// `bootstrap.servers` of the destination cluster.
    pub bootstrap_servers: Vec<HostPort>,
    /// Host or address to listen on.
    pub listen_host: String,
    /// Port of the bootstrap listener. The listener of broker n is at this port + 1 + n. 0 takes any free
    /// port.
    pub listen_port: u16,
    /// Host that the gateway gives to clients in responses.
    pub advertised_host: String,
    /// Port of the bootstrap listener that the gateway gives to clients. `None`: the port that it listens on.
    pub advertised_port: Option<u16>,
    /// TLS of the listeners. `None`: plaintext.
    pub listener_tls: Option<TlsServer>,
    /// True if clients must authenticate (SASL) before any other request. The brokers check the credentials;
    /// the gateway passes the exchange through.
    pub sasl: bool,
    /// TLS of the connections to brokers. `None`: plaintext.
    pub broker_tls: Option<TlsClient>,
    /// Limits on sizes, counts and times.
    pub limits: Limits,
}

/// Limits on what a client may hold, and on how long things may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Maximum size of a request, in bytes (`socket.request.max.bytes`).
    pub max_request_bytes: usize,
    /// Limits on open client connections, for all listeners together.
    pub connections: ConnectionLimits,
    /// Maximum number of requests of one connection that are queued for their responses.
    pub max_in_flight: usize,
    /// Maximum time from accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// Maximum time from accepting a connection, or from the end of its TLS handshake, to its first request.
    pub first_request_timeout: Duration,
    /// Maximum time that the gateway waits for the client while one request arrives. Each 16 KiB received add
    /// a second.
    pub request_arrival_timeout: Duration,
    /// Maximum time without a byte in either direction while no response is due (`connections.max.idle.ms`).
    pub idle_timeout: Duration,
    /// Maximum time in which a client, or a broker, takes none of the bytes that are to be sent to it.
    pub stall_timeout: Duration,
    /// Maximum age of a connection (`connections.max.age.ms`), varied at random by up to 10 %. `None`:
    /// unlimited.
    pub max_age: Option<Duration>,
    /// Budget for requests that are held whole, in bytes, for all connections together. One request may
    /// exceed it.
    pub request_buffer_bytes: usize,
    /// Budget for responses that are held, whole or in pieces, in bytes, for all connections together. One
    /// response may exceed it.
    pub response_buffer_bytes: usize,
    /// Time that a session waits for budget before the gateway reclaims memory from the connections that have
    /// held the most for the longest.
    pub reclaim_timeout: Duration,
    /// Maximum time to connect to one broker, TLS handshake included.
    pub connect_timeout: Duration,
    /// Maximum time to deliver the outstanding responses after the client or the service has stopped.
    pub drain_timeout: Duration,
    /// Interval between two look-ups of the destination's brokers.
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
    /// Returns the interval between two checks for an overdue connection: an eighth of the shortest timeout,
    /// between 5 ms and 5 s.
    pub(crate) fn watch_interval(&self) -> Duration {
        let shortest = [self.request_arrival_timeout, self.idle_timeout, self.stall_timeout];
        let shortest = shortest.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// Limits on open connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Maximum number in total (`max.connections`).
    pub total: usize,
    /// Maximum number from one address (`max.connections.per.ip`).
    pub per_address: usize,
    /// Exceptions from `per_address` (`max.connections.per.ip.overrides`).
    pub overrides: BTreeMap<IpAddr, usize>,
}
