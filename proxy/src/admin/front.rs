//! Checks before a request is executed: its origin and the number of requests in progress. Afterwards writes
//! the audit line.
//!
//! The API has no accounts. But it must not obey a web page: a browser on a machine that reaches port 8090
//! sends requests for any page that is open in it. So a request must name this daemon in `Host` (a name that
//! an attacker points at this address is a different one), and must not come from another site.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::audit::AuditLine;
use crate::admin::problem::Problem;
use crate::admin::server::Came;
use crate::config::AllowedHosts;
use crate::mirror::command::who;

/// Maximum number of requests in progress, for all listeners together. It is below the number of connections,
/// so that a request for health always finds a seat.
const MAX_REQUESTS: usize = 48;
/// Timeout of a request. A forced deletion waits 30 s for failovers, and a creation waits for two clusters.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// State of the checks, shared by all requests.
#[derive(Clone)]
pub(crate) struct Front {
    /// The runtime that executes requests. Connections that requests open belong to it.
    workers: Handle,
    requests: Arc<Semaphore>,
    hosts: Arc<AllowedHosts>,
}

impl Front {
    /// Makes the checks for requests that run on this runtime.
    pub(crate) fn new(workers: Handle, hosts: AllowedHosts) -> Self {
        Front { workers, requests: Arc::new(Semaphore::new(MAX_REQUESTS)), hosts: Arc::new(hosts) }
    }

    /// Fails with the reason why a request is refused before it is executed.
    fn refuse(&self, request: &Request) -> Result<(), Problem> {
        let named = request.uri().authority().cloned().or_else(|| authority(request.headers(), header::HOST));
        let Some(host) = named else {
            return Err(Problem::misdirected("The request names no host."));
        };
        if !self.hosts.has(host.host()) {
            return Err(Problem::misdirected(format!(
                "'{}' is not an allowed host name of this Linkgate: use its IP address, or add the name to \
                 admin.allowed.hosts and restart Linkgate.",
                host.host()
            )));
        }
        from_here(request.headers(), &host)
    }

    /// Executes the request on the workers.
    async fn carry_out(self, request: Request, next: Next, who: String) -> Response {
        let workers = self.workers.clone();
        let job = |job| AbortOnDropHandle::new(workers.spawn(who::asked(who, job)));
        self.within_bounds(request, next, job).await
    }

    /// Runs a request whose handler does its work on a blocking thread.
    async fn render(self, request: Request, next: Next) -> Response {
        self.within_bounds(request, next, |job| async { Ok(job.await) }).await
    }

    async fn within_bounds<D: Future<Output = Result<Response, JoinError>>>(
        self,
        request: Request,
        next: Next,
        run: impl FnOnce(BoxFuture<'static, Response>) -> D,
    ) -> Response {
        let Ok(permit) = self.requests.try_acquire_owned() else {
            return Problem::busy().into_response();
        };
        let working = request.extensions().get::<Came>().map(|came| came.seat.work());
        let job = async move {
            let answer = next.run(request).await;
            drop((permit, working));
            answer
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, run(job.boxed())).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::error!(%error, "a request of the admin api failed");
                Problem::internal().into_response()
            }
            Err(_) => Problem::took_too_long().into_response(),
        }
    }
}

/// Middleware for all requests of the control listeners.
pub(crate) async fn admit(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Probes may use any host name, and learn nothing.
    if path.starts_with("/health/") {
        return next.run(request).await;
    }
    let is_metrics = path == "/metrics";
    let mut line = AuditLine::of(&request);
    drop(request.extensions_mut().insert(line.audit()));
    let answer = match front.refuse(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) if is_metrics => front.render(request, next).await,
        Ok(()) => front.carry_out(request, next, line.who()).await,
    };
    line.answered(answer.status());
    answer
}

/// Refuses requests that a page of another site makes a browser send. Other clients send none of these
/// headers.
fn from_here(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    let elsewhere = || Problem::forbidden("The request comes from a page of another site.");
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(elsewhere());
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match origin {
        Some((_, origin)) if origin.eq_ignore_ascii_case(host.as_str()) => Ok(()),
        _ => Err(elsewhere()),
    }
}

fn authority(headers: &HeaderMap, name: header::HeaderName) -> Option<Authority> {
    let mut all = headers.get_all(name).iter();
    let only = all.next()?.to_str().ok()?.parse::<Authority>().ok()?;
    // With two such headers, another server in between may use the other one.
    all.next().is_none().then_some(only)
}
