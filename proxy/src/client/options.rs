//! Options of a client: connections, timeouts and bounds.

use std::time::Duration;

use crate::client::error::Side;
use crate::client::pin::ClusterPin;
use crate::client::security::Security;
use crate::net::SocketOptions;

/// Options of a client, for all its connections.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The cluster of the client. Every error text begins with it.
    pub side: Side,
    /// `client.id` of every request.
    pub client_id: String,
    /// Timeout for name resolution and the TCP and TLS handshakes, and again for the version negotiation.
    pub connect_timeout: Duration,
    /// Maximum of that timeout. It doubles with each consecutive failure to connect to a broker, up to this.
    pub connect_timeout_max: Duration,
    /// Time from queueing a request to its response. A timeout ends the connection, since a broker answers
    /// the requests of a connection in order.
    pub request_timeout: Duration,
    /// Timeout of an operation, which may take several requests and attempts.
    pub api_timeout: Duration,
    /// Pause before a failed request is sent again. Doubles with every failure, up to one second, or up to
    /// this value if it is longer.
    pub retry_backoff: Duration,
    /// Time after which an idle connection (no requests, no outstanding responses) is closed; `None` for
    /// never.
    pub max_idle: Option<Duration>,
    /// Maximum size of a response frame, in bytes.
    pub max_response_bytes: usize,
    /// Maximum number of requests that wait for the socket. Further callers wait.
    pub queue: usize,
    /// Security settings of the connections.
    pub security: Security,
    /// Socket buffers.
    pub socket: SocketOptions,
    /// Delay before a broker that did not answer is dialled again. Doubles with every failure.
    pub reconnect_backoff: Duration,
    /// Maximum of that delay.
    pub reconnect_backoff_max: Duration,
    /// The cluster that brokers must belong to. Each connection checks it before any other request; `None`
    /// for no check.
    pub pin: Option<ClusterPin>,
}

impl ClientOptions {
    /// Returns the default options for a cluster on this side.
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

    /// Returns the options for a broker after this number of consecutive failures to connect: the connect
    /// timeout is longer.
    pub(crate) fn after(&self, failures: u32) -> Self {
        let doubled = self.connect_timeout.saturating_mul(1 << failures.min(20));
        let most = self.connect_timeout_max.max(self.connect_timeout);
        ClientOptions { connect_timeout: doubled.min(most), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connect_timeout_doubles_with_each_failure_up_to_its_maximum() {
        let (setup, most) = (Duration::from_secs(10), Duration::from_secs(30));
        let options = ClientOptions {
            connect_timeout: setup,
            connect_timeout_max: most,
            ..ClientOptions::new(Side::Source)
        };
        let after = |failures| options.after(failures).connect_timeout;
        assert_eq!([0, 1, 2, 40].map(after), [setup, setup * 2, most, most]);
        // A maximum below the timeout itself does not shorten it.
        let odd = ClientOptions { connect_timeout_max: Duration::from_secs(1), ..options };
        assert_eq!(odd.after(3).connect_timeout, setup);
    }
}
