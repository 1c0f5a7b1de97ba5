//! The bounds on what clients may take, as an operator sets them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Reader;

/// How much may be used of what. Kafka's names where Kafka has the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max.connections`: client connections at a time.
    pub connections: usize,
    /// `max.connections.per.ip`: the same from one address.
    pub connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: exceptions from that.
    pub connections_per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// `socket.request.max.bytes`: largest request of a client.
    pub request_bytes: usize,
    /// `socket.connection.setup.timeout.ms`: for a TLS handshake.
    pub handshake: Duration,
    /// `first.request.timeout.ms`: from connecting to the first request.
    pub first_request_timeout: Duration,
    /// `request.arrival.timeout.ms`: how long a client may be waited for while a request arrives.
    pub request_arrival_timeout: Duration,
    /// `connections.max.idle.ms`: without a request, and none under way.
    pub idle_timeout: Duration,
    /// `connections.max.stall.ms`: without taking anything of what is due.
    pub stall_timeout: Duration,
    /// `connections.max.age.ms`: how long a connection may last; `None` for as long as it likes.
    pub max_age: Option<Duration>,
    /// `queued.max.request.bytes`: requests held whole, all clients together.
    pub request_buffer_bytes: usize,
    /// `queued.max.response.bytes`: responses held, whole or a piece of them, all clients together.
    pub response_buffer_bytes: usize,
}

impl Reader {
    pub(super) fn limits(&mut self) -> Limits {
        Limits {
            connections: self.number("max.connections", 10_000, 1),
            connections_per_ip: self.number("max.connections.per.ip", i32::MAX as usize, 0),
            connections_per_ip_overrides: self.overrides(),
            request_bytes: self.number("socket.request.max.bytes", 100 << 20, 1 << 10),
            handshake: self.millis("socket.connection.setup.timeout.ms", 10_000),
            first_request_timeout: self.millis("first.request.timeout.ms", 30_000),
            request_arrival_timeout: self.millis("request.arrival.timeout.ms", 60_000),
            idle_timeout: self.millis("connections.max.idle.ms", 600_000),
            stall_timeout: self.millis("connections.max.stall.ms", 300_000),
            max_age: Some(self.number("connections.max.age.ms", 0, 0) as u64)
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis),
            request_buffer_bytes: self.number("queued.max.request.bytes", 256 << 20, 1 << 20),
            response_buffer_bytes: self.number("queued.max.response.bytes", 256 << 20, 1 << 20),
        }
    }

    fn millis(&mut self, key: &str, default: usize) -> Duration {
        Duration::from_millis(self.number(key, default, 1) as u64)
    }

    /// `address:count,…`. Kafka takes host names, too, and resolves them once; an address says what is meant.
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
