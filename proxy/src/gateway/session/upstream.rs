//! Connects to the broker behind one client connection.

use crate::gateway::endpoint_map::ListenerTarget;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::net::tls::TlsClient;
use crate::net::{HostPort, SocketOptions, dial};

use crate::gateway::endpoint_map::Brokers;
use crate::gateway::error::SessionError;
use crate::gateway::frame::stream::Stream;

/// Connects to the target, with TLS if `tls` is given. `limit` is for both handshakes with one broker
/// together.
///
/// # Errors
/// [`SessionError::NoBroker`] with the failure of the last attempt.
pub(crate) async fn connect(
    target: ListenerTarget,
    brokers: &Brokers,
    bootstrap_servers: &[HostPort],
    tls: Option<&TlsClient>,
    limit: Duration,
) -> Result<Stream, SessionError> {
    let mut last = "no address is known".to_owned();
    for endpoint in candidates(target, brokers, bootstrap_servers) {
        match connect_to(&endpoint, tls, limit).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{endpoint}: {error}"),
        }
    }
    Err(SessionError::NoBroker { last })
}

async fn connect_to(endpoint: &HostPort, tls: Option<&TlsClient>, limit: Duration) -> Result<Stream, String> {
    let deadline = Instant::now() + limit;
    let tcp = dial(endpoint, SocketOptions::default(), limit).await.map_err(|error| error.to_string())?;
    let Some(tls) = tls else { return Ok(Stream::Plain(tcp)) };
    match timeout_at(deadline, tls.connect(tcp, &endpoint.host)).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream.into()))),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no TLS handshake within {limit:?}")),
    }
}

/// Returns the addresses to try. For a bootstrap connection the known brokers come first, in random order, so
/// that clients spread over them and a dead bootstrap server costs nothing.
fn candidates(target: ListenerTarget, brokers: &Brokers, bootstrap_servers: &[HostPort]) -> Vec<HostPort> {
    match target {
        ListenerTarget::Broker(id) => brokers.get(id).into_iter().collect(),
        ListenerTarget::Bootstrap => {
            let mut all: Vec<_> = brokers.all().values().cloned().collect();
            fastrand::shuffle(&mut all);
            let mut servers = bootstrap_servers.to_vec();
            servers.retain(|server| !all.contains(server));
            fastrand::shuffle(&mut servers);
            all.extend(servers);
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_tries_known_brokers_before_servers_and_each_address_once() {
        let (a, b, c) = (HostPort::new("a", 1), HostPort::new("b", 1), HostPort::new("c", 1));
        let brokers = Brokers::default();
        brokers.update([(1, a.clone()), (2, b.clone())]);
        let tried = candidates(ListenerTarget::Bootstrap, &brokers, &[a.clone(), c.clone()]);
        assert_eq!(tried.len(), 3);
        assert_eq!(tried[2], c);
        assert_eq!(candidates(ListenerTarget::Broker(2), &brokers, &[a]), [b]);
        assert!(candidates(ListenerTarget::Broker(3), &brokers, &[c]).is_empty());
    }
}
