//! Before a request is carried out: may it come from there, who asks, is there room. Afterwards: what became of it.
//!
//! The API has no accounts. What it must not do is obey a web page: a browser on a machine that reaches 8090 sends requests
//! for whatever page is open in it. So a request names this daemon in `Host` (a name that an attacker points at this address
//! is another one), and comes from no other site.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::audit::Line;
use super::problem::Problem;
use super::server::Came;
use crate::config::AllowedHosts;
use crate::mirror::command::who;

/// Requests that are carried out at a time, over all listeners: fewer than there are connections, so that one for health
/// always finds a seat.
const MAX_REQUESTS: usize = 48;
/// The longest that a request may take. A forced deletion waits 30 s for failovers, a creation for two clusters.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What all requests pass.
#[derive(Clone)]
pub(super) struct Front {
    /// Where requests are carried out: the connections that they make belong to that runtime.
    workers: Handle,
    requests: Arc<Semaphore>,
    hosts: Arc<AllowedHosts>,
}

impl Front {
    /// In front of what runs on this runtime.
    pub(super) fn new(workers: Handle, hosts: AllowedHosts) -> Self {
        Front { workers, requests: Arc::new(Semaphore::new(MAX_REQUESTS)), hosts: Arc::new(hosts) }
    }

    /// Why a request is not even looked at.
    fn refuse(&self, request: &Request) -> Result<(), Problem> {
        let named = request.uri().authority().cloned().or_else(|| authority(request.headers(), header::HOST));
        let Some(host) = named else {
            return Err(Problem::misdirected("The request names no host."));
        };
        if !self.hosts.has(host.host()) {
            return Err(Problem::misdirected(format!(
                "'{}' is no name of this Linkgate: call it by its IP address, which always works, or add the name to \
                 admin.allowed.hosts and restart it.",
                host.host()
            )));
        }
        from_here(request.headers(), &host)
    }

    /// Carries it out, on the workers.
    async fn carry_out(self, request: Request, next: Next, who: String) -> Response {
        let workers = self.workers.clone();
        let job = |job| AbortOnDropHandle::new(workers.spawn(who::asked(who, job)));
        self.within_bounds(request, next, job).await
    }

    /// The same for what is done on a thread of its own.
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
                tracing::error!(%error, "a request of the admin api was not carried out");
                Problem::internal().into_response()
            }
            Err(_) => Problem::took_too_long().into_response(),
        }
    }
}

/// All requests of the REST API.
pub(super) async fn admit(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Probes name what they like, and learn nothing.
    if path.starts_with("/health/") {
        return next.run(request).await;
    }
    let is_metrics = path == "/metrics";
    let mut line = Line::of(&request);
    drop(request.extensions_mut().insert(line.audit()));
    let answer = match front.refuse(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) if is_metrics => front.render(request, next).await,
        Ok(()) => front.carry_out(request, next, line.who()).await,
    };
    line.answered(answer.status());
    answer
}

/// Refuses what a page of another site makes a browser send. Other clients send none of these headers.
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
    // With two of them, somebody else may go by the other one.
    all.next().is_none().then_some(only)
}

/// Whether a request of this method changes something.
pub(super) fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
