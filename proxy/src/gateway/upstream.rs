//! The connection to a broker that stands behind one client connection.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::net::tls::TlsClient;
use crate::net::{HostPort, SocketOptions, dial};

use super::endpoint_map::Brokers;
use super::error::SessionError;
use super::stream::Stream;

/// Which broker a listener stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Any that can be reached.
    Bootstrap,
    /// This one.
    Broker(i32),
}

/// Connects to the target, with TLS where `tls` is given. `limit` is for the handshakes with one broker, both together.
///
/// # Errors
/// [`SessionError::NoBroker`] with what the last attempt met.
pub(super) async fn connect(
    target: Target,
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

/// The addresses worth trying. For a bootstrap connection the known brokers come first, in random order, so that clients
/// spread over them and a dead bootstrap server costs nothing.
fn candidates(target: Target, brokers: &Brokers, bootstrap_servers: &[HostPort]) -> Vec<HostPort> {
    match target {
        Target::Broker(id) => brokers.get(id).into_iter().collect(),
        Target::Bootstrap => {
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
        let tried = candidates(Target::Bootstrap, &brokers, &[a.clone(), c.clone()]);
        assert_eq!(tried.len(), 3);
        assert_eq!(tried[2], c);
        assert_eq!(candidates(Target::Broker(2), &brokers, &[a]), [b]);
        assert!(candidates(Target::Broker(3), &brokers, &[c]).is_empty());
    }
}
