//! One client connection and the broker connection behind it.
//!
//! ```text
//! accepted ──first bytes──► connected ──client ends, or the service stops──► draining ──► closed
//!    │ timeout                  │ broker ends, or anything fails                 │ all delivered, or deadline
//!    └──────────► closed ◄──────┘                                                └──► closed
//! ```
//!
//! Both directions run in the task of the session, so ending it ends them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::endpoint_map::Brokers;
use super::error::{CloseCause, SessionError};
use super::framed::FrameReader;
use super::inspect::SaslTokens;
use super::options::GatewayOptions;
use super::requests::RequestSide;
use super::responses::ResponseSide;
use super::rewrite::Rewriter;
use super::share_gaps::ShareGaps;
use super::stream::Stream;
use super::upstream::{Target, connect};

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: GatewayOptions,
    pub(super) brokers: Brokers,
    pub(super) rewriter: Rewriter,
}

/// Serves one client connection to its end and counts why it ended.
pub(super) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    target: Target,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let metrics = shared.rewriter.metrics.clone();
    let cause = match run(stream, target, &shared, stop).await {
        Ok(cause) => {
            tracing::debug!(%peer, ?target, cause = cause.label(), "connection closed");
            cause
        }
        Err(error) => {
            log_failure(peer, target, &error);
            error.cause()
        }
    };
    metrics.closed(cause);
}

/// What a broker did wrong is an error, what a client did is not ours to shout about.
fn log_failure(peer: SocketAddr, target: Target, error: &SessionError) {
    let cause = error.cause().label();
    match error {
        SessionError::Response { .. } => {
            tracing::error!(%peer, ?target, cause, %error, "answer of a broker cannot be passed on");
        }
        SessionError::NoBroker { .. } => {
            tracing::warn!(%peer, ?target, cause, %error, "no upstream connection")
        }
        SessionError::Frame(_) | SessionError::Request { .. } | SessionError::UnsupportedApi { .. } => {
            tracing::warn!(%peer, ?target, cause, %error, "request refused, connection closed");
        }
        _ => tracing::debug!(%peer, ?target, cause, %error, "connection closed"),
    }
}

async fn run(
    stream: Stream,
    target: Target,
    shared: &Shared,
    stop: CancellationToken,
) -> Result<CloseCause, SessionError> {
    let limits = &shared.options.limits;
    let (client_read, client_write) = stream.split();
    let mut client = FrameReader::new(client_read);
    // A broker is bothered only by clients that say something.
    let spoke = tokio::select! {
        () = stop.cancelled() => return Ok(CloseCause::ClientClosed),
        spoke = timeout(limits.first_request_timeout, client.fill(4)) => spoke,
    };
    match spoke {
        Err(_) => return Err(SessionError::FirstRequestTimeout),
        Ok(Err(error)) => return Err(SessionError::ClientIo(error)),
        Ok(Ok(false)) => return Ok(CloseCause::ClientClosed),
        Ok(Ok(true)) => {}
    }

    let servers = &shared.options.bootstrap_servers;
    let (broker_read, broker_write) =
        connect(target, &shared.brokers, servers, limits.connect_timeout).await?.split();
    let (expected, due) = mpsc::channel(limits.max_in_flight.max(1));
    let rewriter = Rewriter { gaps: ShareGaps::default(), ..shared.rewriter.clone() };
    let requests = RequestSide {
        client,
        broker: broker_write,
        expected,
        guards: rewriter.guards.clone(),
        gaps: rewriter.gaps.clone(),
        metrics: rewriter.metrics.clone(),
        max_request_bytes: limits.max_request_bytes,
        sasl_tokens: SaslTokens::default(),
    };
    let responses =
        ResponseSide { broker: FrameReader::new(broker_read), client: client_write, expected: due, rewriter };

    let mut responses = pin!(responses.run());
    let requests = pin!(requests.run(stop));
    tokio::select! {
        ended = &mut responses => return ended,
        ended = requests => ended?,
    }
    // The client is done asking; what it asked for is still delivered.
    match timeout(limits.drain_timeout, responses).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(CloseCause::ClientClosed),
    }
}
