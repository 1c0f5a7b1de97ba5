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
    /// Largest such time: with each failure in a row to connect to a broker it doubles, up to this.
    pub connect_timeout_max: Duration,
    /// Time from queueing a request to its response. A connection on which a request timed out is given up, since a
    /// broker answers one request of a connection after another.
    pub request_timeout: Duration,
    /// Time for an operation that may take several requests and attempts.
    pub api_timeout: Duration,
    /// Pause before a failed request is repeated; doubles with every failure, up to a second or this if it is longer.
    pub retry_backoff: Duration,
    /// A connection on which nothing was asked for this long, and nothing is waited for, is closed; `None` for never.
    pub max_idle: Option<Duration>,
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
            connect_timeout_max: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            max_idle: None,
            max_response_bytes: 128 << 20,
            queue: 64,
            security: Security::default(),
            socket: SocketOptions::default(),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(2),
            pin: None,
        }
    }

    /// For a broker that could not be connected to so often in a row: the same with another time to connect.
    pub(super) fn after(&self, failures: u32) -> Self {
        let doubled = self.connect_timeout.saturating_mul(1 << failures.min(20));
        let most = self.connect_timeout_max.max(self.connect_timeout);
        ClientOptions { connect_timeout: doubled.min(most), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_connect_doubles_with_each_failure_up_to_its_bound() {
        let (setup, most) = (Duration::from_secs(10), Duration::from_secs(30));
        let options = ClientOptions {
            connect_timeout: setup,
            connect_timeout_max: most,
            ..ClientOptions::new(Side::Source)
        };
        let after = |failures| options.after(failures).connect_timeout;
        assert_eq!([0, 1, 2, 40].map(after), [setup, setup * 2, most, most]);
        // A bound below the time itself does not shorten it
        let odd = ClientOptions { connect_timeout_max: Duration::from_secs(1), ..options };
        assert_eq!(odd.after(3).connect_timeout, setup);
    }
}
