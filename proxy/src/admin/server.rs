//! The thread of the admin API: accepts connections, reads requests and writes responses. All handlers but
//! those of health run on the workers (see [`crate::admin::front`]), so health is served even if the workers are
//! blocked.

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

use crate::admin::patience::Patience;
use crate::admin::pulse::Pulse;
use crate::admin::seats::{Seat, Seats};

/// Maximum number of open connections of one listener.
const MAX_CONNECTIONS: usize = 64;
/// Timeout for the header of a request, from the start of the connection or from the end of the previous
/// response.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for which a peer may read nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of a request header, in bytes.
const MAX_HEADER: usize = 64 << 10;
/// Pause after a failed accept. File descriptors may be used up, and an immediate retry would not free any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An open listener and its routes.
pub(crate) struct Open {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) router: Router,
}

/// The connection over which a request came.
#[derive(Clone)]
pub(crate) struct Came {
    pub(crate) peer: SocketAddr,
    pub(crate) seat: Arc<Seat>,
}

/// Starts the thread. It serves until `stop` is cancelled and all requests in progress have ended; then the
/// returned token is cancelled.
///
/// # Errors
/// Fails if the system cannot create the thread.
pub(crate) fn start(open: Vec<Open>, pulse: Pulse, stop: CancellationToken) -> io::Result<CancellationToken> {
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
            Err(error) => tracing::error!(%address, %error, "the admin api cannot listen at this address"),
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
                    tracing::debug!(
                        %peer,
                        "all admin connections have a request in progress; the new one is closed"
                    );
                    continue;
                };
                drop(tasks.spawn(connection(tcp, peer, router.clone(), seat, stop.clone())));
                // Lets the connection read its request before others can take its seat. Without this, a burst of
                // connections that ask nothing drives out the health probe that came with them.
                tokio::task::yield_now().await;
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
