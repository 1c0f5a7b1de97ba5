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
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::wire::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::header::RequestPrefix;

use super::activity::{Budgets, Peer};
use super::complaints::Complaints;
use super::connection::{Connection, Connections};
use super::endpoint_map::Brokers;
use super::error::{CloseCause, SessionError};
use super::framed::{Account, FrameReader};
use super::inspect::SaslExchange;
use super::metered::{metered_read, metered_write};
use super::metrics::Traffic;
use super::observer::Observer;
use super::options::{GatewayOptions, Limits};
use super::requests::{RequestSide, allowed};
use super::responses::ResponseSide;
use super::rewrite::Rewriter;
use super::share_gaps::ShareGaps;
use super::stream::Stream;
use super::ticks::Ticks;
use super::upstream::{Target, connect};

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: GatewayOptions,
    pub(super) brokers: Brokers,
    pub(super) rewriter: Rewriter,
    pub(super) connections: Connections,
    pub(super) budgets: Budgets,
    pub(super) complaints: Arc<Complaints>,
    pub(super) traffic: Traffic,
    pub(super) ticks: Ticks,
}

/// Serves one client connection to its end and counts why it ended.
pub(super) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    target: Target,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let mut open = shared.rewriter.metrics.opened(target);
    let is_authenticated = !shared.options.sasl;
    let connection =
        shared.connections.open(peer, target, shared.ticks, shared.traffic.clone(), is_authenticated);
    let drain_timeout = shared.options.limits.drain_timeout;
    let ended = tokio::select! {
        ended = run(stream, target, &connection, &shared, stop.clone()) => ended,
        // Also where it stands inside a request that does not go on.
        () = past_deadline(stop, drain_timeout) => Ok(CloseCause::Stopped),
        error = connection.activity.called_off() => Err(error),
    };
    match ended {
        Ok(cause) => {
            tracing::debug!(%peer, ?target, cause = cause.label(), "connection closed");
            open.cause = cause;
        }
        Err(error) => {
            open.cause = error.cause();
            if matches!(error, SessionError::NoBroker { .. } | SessionError::BrokerIo(_)) {
                shared.brokers.doubt();
            }
            log_failure(peer, target, &connection.client_id(), &error, &shared.complaints);
        }
    }
}

async fn past_deadline(stop: CancellationToken, drain_timeout: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(drain_timeout).await;
}

/// What a broker did wrong is an error, what a client did is not ours to shout about: one line of a kind now and then.
fn log_failure(
    peer: SocketAddr,
    target: Target,
    client_id: &str,
    error: &SessionError,
    complaints: &Complaints,
) {
    let cause = error.cause().label();
    let message = match error {
        SessionError::Response { .. } => "answer of a broker cannot be passed on",
        SessionError::NoBroker { .. } => "no upstream connection",
        SessionError::Frame(_)
        | SessionError::Request { .. }
        | SessionError::UnsupportedApi { .. }
        | SessionError::Unauthenticated { .. }
        | SessionError::MirrorMeanwhile
        | SessionError::ReservedProducerId => "request refused, connection closed",
        SessionError::FillerInTheWay { .. } => "connection closed: its next one is served",
        SessionError::FirstRequestTimeout
        | SessionError::SlowRequest
        | SessionError::SlowReader
        | SessionError::MemoryReclaimed
        | SessionError::BrokerStalled => "connection closed: it took too long",
        SessionError::GaveWay => "connection closed: all places are taken",
        SessionError::Idle | SessionError::ClientIo(_) | SessionError::BrokerIo(_) => {
            tracing::debug!(%peer, ?target, client_id, cause, %error, "connection closed");
            return;
        }
    };
    let is_error = matches!(error, SessionError::Response { .. });
    match complaints.may_tell(cause) {
        Some(untold) if is_error => {
            tracing::error!(%peer, ?target, client_id, cause, %error, untold, message)
        }
        Some(untold) => tracing::warn!(%peer, ?target, client_id, cause, %error, untold, message),
        None => tracing::debug!(%peer, ?target, client_id, cause, %error, message),
    }
}

async fn run(
    stream: Stream,
    target: Target,
    connection: &Arc<Connection>,
    shared: &Shared,
    stop: CancellationToken,
) -> Result<CloseCause, SessionError> {
    let limits = &shared.options.limits;
    let budgets = &shared.budgets;
    let (client_read, client_write) = stream.split();
    let client_read = metered_read(client_read, connection);
    let client_write = metered_write(client_write, Peer::Client, connection);
    let mut client = FrameReader::new(client_read, Account::requests(&budgets.requests, connection));
    let greeted = greeted(&mut client, limits.max_request_bytes, connection.is_authenticated());
    let greeted = tokio::select! {
        () = stop.cancelled() => return Ok(CloseCause::ClientClosed),
        greeted = timeout(limits.first_request_timeout, greeted) => greeted,
    };
    if !greeted.map_err(|_| SessionError::FirstRequestTimeout)?? {
        return Ok(CloseCause::ClientClosed);
    }

    let (servers, tls) = (&shared.options.bootstrap_servers, shared.options.broker_tls.as_ref());
    let (broker_read, broker_write) =
        connect(target, &shared.brokers, servers, tls, limits.connect_timeout).await?.split();
    let broker_write = metered_write(broker_write, Peer::Broker, connection);
    let (expected, due) = mpsc::channel(limits.max_in_flight.max(1));
    let rewriter = Rewriter { gaps: ShareGaps::default(), ..shared.rewriter.clone() };
    let requests = RequestSide {
        client,
        broker: broker_write,
        expected,
        guards: rewriter.guards.clone(),
        gaps: rewriter.gaps.clone(),
        metrics: rewriter.metrics.clone(),
        observer: Observer::new(connection),
        complaints: Arc::clone(&shared.complaints),
        max_request_bytes: limits.max_request_bytes,
        sasl: SaslExchange::default(),
    };
    let responses = ResponseSide {
        broker: FrameReader::new(broker_read, Account::responses(&budgets.responses, connection)),
        client: client_write,
        expected: due,
        rewriter,
    };

    let mut responses = pin!(responses.run());
    let no_more = stop.child_token();
    let requests = pin!(requests.run(no_more.clone()));
    tokio::select! {
        ended = &mut responses => return ended,
        ended = requests => ended?,
        error = overdue(connection, limits) => return Err(error),
        () = too_old(limits.max_age, &no_more) => {}
    }
    // The client is done asking; what it asked for is still delivered.
    let cause = if no_more.is_cancelled() && !stop.is_cancelled() {
        CloseCause::MaxAge
    } else {
        CloseCause::ClientClosed
    };
    match timeout(limits.drain_timeout, responses).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(cause),
    }
}

/// A broker is bothered only by clients that begin with a request which the gateway takes; `false` where the client closes instead.
async fn greeted(
    client: &mut FrameReader,
    max_request_bytes: usize,
    is_authenticated: bool,
) -> Result<bool, SessionError> {
    if !client.fill(SIZE_BYTES).await.map_err(SessionError::ClientIo)? {
        return Ok(false);
    }
    let size = frame_size(client.peek(0), REQUEST_PREFIX_BYTES, max_request_bytes)?;
    client.require(SIZE_BYTES + REQUEST_PREFIX_BYTES).await.map_err(SessionError::ClientIo)?;
    let _ = allowed(RequestPrefix::parse(client.peek(SIZE_BYTES)), size, is_authenticated)?;
    Ok(true)
}

/// Has no more requests taken when the connection is too old, and never ends: the request that is arriving is served. Connections that
/// were made together do not end together.
async fn too_old(max_age: Option<std::time::Duration>, no_more: &CancellationToken) {
    if let Some(age) = max_age {
        tokio::time::sleep(age.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        no_more.cancel();
    }
    std::future::pending().await
}

/// Waits until the connection has to be closed for being too slow, or for nothing at all.
async fn overdue(connection: &Connection, limits: &Limits) -> SessionError {
    let interval = limits.watch_interval();
    loop {
        tokio::time::sleep(interval).await;
        if let Some(error) = connection.activity.overdue(limits) {
            return error;
        }
    }
}
