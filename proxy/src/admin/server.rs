//! The thread of the admin API: accepts connections, reads requests, writes answers. What a request asks for is done
//! elsewhere (see [`super::front`]), so that health is told whatever the workers do.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::Patience;
use super::pulse::Pulse;
use super::seats::{Seat, Seats};

/// Open connections of one listener.
const MAX_CONNECTIONS: usize = 64;
/// From a connection's begin, or from the end of an answer, to the end of the next request's header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a header.
const MAX_HEADER: usize = 64 << 10;
/// Pause after a failed accept: file descriptors may be used up, and trying at once again would not free any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that is open, and what it serves.
pub(super) struct Open {
    pub(super) listener: std::net::TcpListener,
    pub(super) address: SocketAddr,
    pub(super) router: Router,
}

/// The connection that a request came over.
#[derive(Clone)]
pub(super) struct Came {
    pub(super) peer: SocketAddr,
    pub(super) seat: Arc<Seat>,
}

/// Serves until `stop` is cancelled and all requests under way have ended; the token returned is cancelled then.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(open: Vec<Open>, pulse: Pulse, stop: CancellationToken) -> io::Result<CancellationToken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let serve = move || {
        runtime.block_on(serve(open, pulse, stop));
        drop(guard);
    };
    drop(std::thread::Builder::new().name("linkgate-admin".into()).spawn(serve)?);
    Ok(ended)
}

async fn serve(open: Vec<Open>, pulse: Pulse, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    drop(tasks.spawn(pulse.watch(stop.clone())));
    for Open { listener, address, router } in open {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                tracing::info!(%address, "admin api listening");
                drop(tasks.spawn(accept_on(listener, router, tasks.clone(), stop.clone())));
            }
            Err(error) => tracing::error!(%address, %error, "admin api failed"),
        }
    }
    let _ = tasks.close();
    tasks.wait().await;
}

async fn accept_on(listener: TcpListener, router: Router, tasks: TaskTracker, stop: CancellationToken) {
    let seats = Seats::new(MAX_CONNECTIONS);
    let mut complained = false;
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((tcp, peer)) => {
                complained = false;
                let Some(seat) = seats.take() else {
                    tracing::debug!(%peer, "every connection of the admin api is at work; this one is closed");
                    continue;
                };
                drop(tasks.spawn(connection(tcp, peer, router.clone(), seat, stop.clone())));
            }
            Err(error) => {
                if !complained {
                    tracing::warn!(%error, "the admin api cannot accept a connection");
                }
                complained = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(tcp: TcpStream, peer: SocketAddr, router: Router, seat: Seat, stop: CancellationToken) {
    let _ = tcp.set_nodelay(true);
    let seat = Arc::new(seat);
    let came = Came { peer, seat: Arc::clone(&seat) };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        drop(request.extensions_mut().insert(came.clone()));
        let answer = router.call(request);
        async move {
            let Ok(answer) = answer.await;
            Ok::<_, Infallible>(answer)
        }
    });
    let stream = TokioIo::new(Patience::new(tcp, WRITE_TIMEOUT));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER)
        .serve_connection(stream, service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = seat.lost() => return,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection of the admin api failed");
    }
}
