//! Performs the TLS handshake with a client, before its first frame.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::gateway::endpoint_map::ListenerTarget;
use crate::gateway::error::CloseCause;
use crate::gateway::frame::stream::Stream;
use crate::gateway::shared::GatewayShared;

/// Returns the connection, ready for frames. Returns `None` if the handshake failed, and counts the cause.
pub(crate) async fn handshake(
    tcp: TcpStream,
    peer: SocketAddr,
    target: ListenerTarget,
    shared: &GatewayShared,
    stop: &CancellationToken,
) -> Option<Stream> {
    let Some(tls) = &shared.options.listener_tls else { return Some(Stream::Plain(tcp)) };
    let within = shared.options.limits.handshake_timeout;
    let cause = match stop.run_until_cancelled(timeout(within, tls.accept(tcp))).await {
        Some(Ok(Ok(stream))) => return Some(Stream::Tls(Box::new(stream.into()))),
        Some(Ok(Err(error))) => tell(shared, peer, target, CloseCause::TlsHandshake, &error),
        Some(Err(_)) => tell(
            shared,
            peer,
            target,
            CloseCause::TlsHandshakeTimeout,
            &format!("not finished within {within:?}"),
        ),
        None => CloseCause::Stopped,
    };
    shared.rewriter.metrics.turned_away(cause);
    None
}

/// Logs a failed handshake. Clients can cause such lines at will, so their rate is limited.
fn tell(
    shared: &GatewayShared,
    peer: SocketAddr,
    target: ListenerTarget,
    cause: CloseCause,
    error: &dyn std::fmt::Display,
) -> CloseCause {
    match shared.log_limiter.may_log(cause.label()) {
        Some(suppressed) => tracing::warn!(%peer, ?target, %error, suppressed, "TLS handshake failed"),
        None => tracing::debug!(%peer, ?target, %error, "TLS handshake failed"),
    }
    cause
}
