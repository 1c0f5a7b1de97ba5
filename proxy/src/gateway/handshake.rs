//! The TLS handshake with a client, before its first frame.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::CloseCause;
use super::session::Shared;
use super::stream::Stream;
use super::upstream::Target;

/// The connection, ready for frames; `None` when it came to nothing, which is counted.
pub(super) async fn handshake(
    tcp: TcpStream,
    peer: SocketAddr,
    target: Target,
    shared: &Shared,
    stop: &CancellationToken,
) -> Option<Stream> {
    let Some(tls) = &shared.options.listener_tls else { return Some(Stream::Plain(tcp)) };
    let within = shared.options.limits.handshake_timeout;
    let cause = match stop.run_until_cancelled(timeout(within, tls.accept(tcp))).await {
        Some(Ok(Ok(stream))) => return Some(Stream::Tls(Box::new(stream.into()))),
        Some(Ok(Err(error))) => tell(shared, peer, target, CloseCause::TlsHandshake, &error),
        Some(Err(_)) => {
            tell(shared, peer, target, CloseCause::TlsHandshakeTimeout, &format!("none within {within:?}"))
        }
        None => CloseCause::Stopped,
    };
    shared.rewriter.metrics.turned_away(cause);
    None
}

/// Not ours to shout about: one line now and then.
fn tell(
    shared: &Shared,
    peer: SocketAddr,
    target: Target,
    cause: CloseCause,
    error: &dyn std::fmt::Display,
) -> CloseCause {
    match shared.complaints.may_tell(cause.label()) {
        Some(untold) => tracing::warn!(%peer, ?target, %error, untold, "TLS handshake failed"),
        None => tracing::debug!(%peer, ?target, %error, "TLS handshake failed"),
    }
    cause
}
