//! Serves one client connection, with the broker connection behind it.
//!
//! ```text
//! accepted ──first bytes──► connected ──client ends, or the service stops──► draining ──► closed
//!    │ timeout                  │ broker ends, or anything fails                 │ all sent, or deadline
//!    └──────────► closed ◄──────┘                                                └──► closed
//! ```
//!
//! Both directions run in the task of the session, so they end with it.
pub(crate) mod responses;
pub(crate) mod upstream;

use crate::gateway::shared::GatewayShared;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::wire::protocol::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::protocol::header::RequestPrefix;

use crate::gateway::connection::OpenConnection;
use crate::gateway::connection::activity::WrittenPeer;
use crate::gateway::endpoint_map::ListenerTarget;
use crate::gateway::error::{CloseCause, SessionError};
use crate::gateway::frame::activity_io::{metered_read, metered_write};
use crate::gateway::frame::reader::{Account, FrameReader};
use crate::gateway::frame::stream::Stream;
use crate::gateway::options::Limits;
use crate::gateway::request::client_identity::Observer;
use crate::gateway::request::sasl_exchange::SaslExchange;
use crate::gateway::request::side::{RequestSide, allowed};
use crate::gateway::response::Rewriter;
use crate::gateway::response::share_gaps::ShareGaps;
use crate::gateway::session::responses::ResponseSide;
use crate::gateway::session::upstream::connect;
use crate::obs::log_limiter::LogLimiter;

/// Serves one client connection to its end, and counts the cause of the end.
pub(crate) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    target: ListenerTarget,
    shared: Arc<GatewayShared>,
    stop: CancellationToken,
) {
    let mut open = shared.rewriter.metrics.opened(target);
    let is_authenticated = !shared.options.sasl;
    let connection =
        shared.connections.open(peer, target, shared.ticks, shared.traffic.clone(), is_authenticated);
    let drain_timeout = shared.options.limits.drain_timeout;
    let ended = tokio::select! {
        ended = run(stream, target, &connection, &shared, stop.clone()) => ended,
        // This also ends a session that is stuck inside of a request.
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
            log_failure(peer, target, &connection.client_id(), &error, &shared.log_limiter);
        }
    }
}

async fn past_deadline(stop: CancellationToken, drain_timeout: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(drain_timeout).await;
}

/// Logs the failure of a session: a bad response of a broker as an error, ordinary ends for debugging only,
/// all others as warnings. Clients can cause such lines at will, so the rate of each kind is limited.
fn log_failure(
    peer: SocketAddr,
    target: ListenerTarget,
    client_id: &str,
    error: &SessionError,
    log_limiter: &LogLimiter,
) {
    let cause = error.cause().label();
    let message = match error {
        SessionError::Response { .. } => "a broker's response cannot be passed on",
        SessionError::NoBroker { .. } => "cannot connect to a broker",
        SessionError::Frame(_)
        | SessionError::Request { .. }
        | SessionError::UnsupportedApi { .. }
        | SessionError::Unauthenticated { .. }
        | SessionError::MirrorMeanwhile
        | SessionError::ReservedProducerId => "request refused, connection closed",
        SessionError::FillerInTheWay { .. } => {
            "connection closed; the client's next connection will be served"
        }
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
    match log_limiter.may_log(cause) {
        Some(suppressed) if is_error => {
            tracing::error!(%peer, ?target, client_id, cause, %error, suppressed, message)
        }
        Some(suppressed) => tracing::warn!(%peer, ?target, client_id, cause, %error, suppressed, message),
        None => tracing::debug!(%peer, ?target, client_id, cause, %error, message),
    }
}

async fn run(
    stream: Stream,
    target: ListenerTarget,
    connection: &Arc<OpenConnection>,
    shared: &GatewayShared,
    stop: CancellationToken,
) -> Result<CloseCause, SessionError> {
    let limits = &shared.options.limits;
    let budgets = &shared.budgets;
    let (client_read, client_write) = stream.split();
    let client_read = metered_read(client_read, connection);
    let client_write = metered_write(client_write, WrittenPeer::Client, connection);
    let mut client = FrameReader::new(client_read, Account::requests(&budgets.requests, connection));
    let greeted = greeted(&mut client, limits.max_request_bytes, connection.is_authenticated());
    let greeted = tokio::select! {
        () = stop.cancelled() => return Ok(CloseCause::Stopped),
        greeted = timeout(limits.first_request_timeout, greeted) => greeted,
    };
    if !greeted.map_err(|_| SessionError::FirstRequestTimeout)?? {
        return Ok(CloseCause::ClientClosed);
    }

    let (servers, tls) = (&shared.options.bootstrap_servers, shared.options.broker_tls.as_ref());
    let (broker_read, broker_write) =
        connect(target, &shared.brokers, servers, tls, limits.connect_timeout).await?.split();
    let broker_write = metered_write(broker_write, WrittenPeer::Broker, connection);
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
        log_limiter: Arc::clone(&shared.log_limiter),
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
    // The client sends no further requests. The responses that are due are still delivered.
    let cause = if stop.is_cancelled() {
        CloseCause::Stopped
    } else if no_more.is_cancelled() {
        CloseCause::MaxAge
    } else {
        CloseCause::ClientClosed
    };
    match timeout(limits.drain_timeout, responses).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(cause),
    }
}

/// Waits for the first request. Fails if the gateway does not take it, so that such clients never cost a
/// broker a connection. Returns `false` if the client closes instead.
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

/// Stops the taking of requests when the connection is too old, and never returns. The request that is
/// arriving is still served. The age is varied, so that connections made together do not end together.
async fn too_old(max_age: Option<std::time::Duration>, no_more: &CancellationToken) {
    if let Some(age) = max_age {
        tokio::time::sleep(age.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        no_more.cancel();
    }
    std::future::pending().await
}

/// Waits until the connection has to be closed because it is too slow or idle.
async fn overdue(connection: &OpenConnection, limits: &Limits) -> SessionError {
    let interval = limits.watch_interval();
    loop {
        tokio::time::sleep(interval).await;
        if let Some(error) = connection.activity.overdue(limits) {
            return error;
        }
    }
}
