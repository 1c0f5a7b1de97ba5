//! Bounds on what clients may use, set by the operator.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::ConfigReader;

/// Bounds on connections, memory and times of clients. They have Kafka's names where Kafka has the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// `max.connections`: maximum number of client connections.
    pub connections: usize,
    /// `max.connections.per.ip`: maximum number of client connections from one address.
    pub connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: other maximums for single addresses.
    pub connections_per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// `socket.request.max.bytes`: maximum size of a client's request.
    pub request_bytes: usize,
    /// `socket.connection.setup.timeout.ms`: timeout of a TLS handshake.
    pub handshake: Duration,
    /// `first.request.timeout.ms`: time from the connection to its first request.
    pub first_request_timeout: Duration,
    /// `request.arrival.timeout.ms`: time spent waiting for a client while a request arrives.
    pub request_arrival_timeout: Duration,
    /// `connections.max.idle.ms`: time without a byte in either direction and without an outstanding
    /// response.
    pub idle_timeout: Duration,
    /// `connections.max.stall.ms`: time in which a client, or a broker, takes no byte of what is written to
    /// it.
    pub stall_timeout: Duration,
    /// `connections.max.age.ms`: maximum age of a connection; `None` for no limit.
    pub max_age: Option<Duration>,
    /// `queued.max.request.bytes`: memory for requests that are held whole, for all clients together.
    pub request_buffer_bytes: usize,
    /// `queued.max.response.bytes`: memory for responses that are held, whole or in part, for all clients
    /// together.
    pub response_buffer_bytes: usize,
}

impl ConfigReader {
    pub(crate) fn limits(&mut self) -> ClientLimits {
        ClientLimits {
            connections: self.number("max.connections", 1),
            connections_per_ip: self.number("max.connections.per.ip", 0),
            connections_per_ip_overrides: self.overrides(),
            request_bytes: self.number("socket.request.max.bytes", 1 << 10),
            handshake: self.millis("socket.connection.setup.timeout.ms"),
            first_request_timeout: self.millis("first.request.timeout.ms"),
            request_arrival_timeout: self.millis("request.arrival.timeout.ms"),
            idle_timeout: self.millis("connections.max.idle.ms"),
            stall_timeout: self.millis("connections.max.stall.ms"),
            max_age: Some(self.number("connections.max.age.ms", 0) as u64)
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis),
            request_buffer_bytes: self.number("queued.max.request.bytes", 1 << 20),
            response_buffer_bytes: self.number("queued.max.response.bytes", 1 << 20),
        }
    }

    fn millis(&mut self, key: &str) -> Duration {
        Duration::from_millis(self.number(key, 1) as u64)
    }

    /// Reads `address:count,…`. Kafka also takes host names and resolves them once; here only addresses are
    /// taken, since a name may resolve to other addresses later.
    fn overrides(&mut self) -> BTreeMap<IpAddr, usize> {
        const KEY: &str = "max.connections.per.ip.overrides";
        let mut overrides = BTreeMap::new();
        let Some((place, value)) = self.text(KEY) else { return overrides };
        for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let read = entry.rsplit_once(':').and_then(|(address, count)| {
                let address = address.trim().trim_start_matches('[').trim_end_matches(']');
                Some((address.parse::<IpAddr>().ok()?, count.trim().parse::<usize>().ok()?))
            });
            match read {
                Some((address, count)) => drop(overrides.insert(address.to_canonical(), count)),
                None => {
                    self.errors.push(format!("{place}: {KEY}: '{entry}' is not of the form address:count"))
                }
            }
        }
        overrides
    }
}
