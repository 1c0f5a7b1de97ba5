//! `/health/live`, `/health/ready` and `/metrics`, for probes and scrapers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::admin::{Admin, pulse};
use crate::mirror::clearance::Clearance;
use crate::obs::CONTENT_TYPE;

/// Maximum number of concurrent renderings of the metrics.
pub(crate) const MAX_SCRAPES: usize = 2;

/// State that decides whether the daemon is ready. Cheap to clone.
///
/// The journal is already open when the admin API starts. The destination counts as reached when its cluster
/// id is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    gateway: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Marks the gateway as ready for clients.
    pub(crate) fn gateway_listens(&self) {
        self.0.gateway.store(true, Ordering::Release);
    }

    /// Marks the daemon as stopping, so that it gets no new work.
    pub(crate) fn draining(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Returns what the daemon still waits for; empty if it is ready.
    fn waits_for(&self, destination_known: bool, clearance: &Clearance) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.0.draining.load(Ordering::Acquire) {
            missing.push("shutdown");
        }
        if !self.0.gateway.load(Ordering::Acquire) {
            missing.push("gateway");
        }
        if !destination_known {
            missing.push("destination");
        } else if *clearance != Clearance::Given {
            missing.push("journal");
        }
        missing
    }
}

/// `GET /health/live`: answers whether the process and its worker threads run. Served by a separate thread.
pub(crate) async fn live<O: Operator>(State(admin): State<Admin<O>>) -> Response {
    let silence = admin.pulse.silence();
    let silent_ms = silence.as_millis() as u64;
    if silence >= pulse::DEAD {
        let body = json!({"status": "stalled", "workers_silent_ms": silent_ms});
        return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response();
    }
    if silence >= Duration::from_secs(1) {
        return axum::Json(json!({"status": "live", "workers_silent_ms": silent_ms})).into_response();
    }
    axum::Json(json!({"status": "live"})).into_response()
}

/// `GET /health/ready`: answers whether clients can be served.
pub(crate) async fn ready<O: Operator>(State(admin): State<Admin<O>>) -> Response {
    let destination_known = !admin.operator.cluster_id().is_empty();
    let mut missing = admin.readiness.waits_for(destination_known, &admin.operator.clearance());
    let faults = admin.operator.faults();
    // Clients and mirroring go on without the journal's disk. So a trouble is reported, but the daemon stays
    // ready.
    let troubles: Vec<String> =
        admin.operator.journal_trouble().into_iter().chain(admin.operator.stamp_trouble()).collect();
    if missing.is_empty() && faults.is_empty() {
        let ready = json!({"status": "ready"});
        let troubled = json!({"status": "ready", "troubles": troubles});
        return axum::Json(if troubles.is_empty() { ready } else { troubled }).into_response();
    }
    if missing.is_empty() {
        // The destination was reached, but another cluster answers for it now.
        missing.push("destination");
    }
    let faults: Vec<_> =
        faults.iter().map(|fault| json!({"code": fault.code, "message": fault.message})).collect();
    let body = json!({"status": "not ready", "waits_for": missing, "faults": faults, "troubles": troubles});
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// `GET /metrics`. Renders on a blocking thread, since many partitions take a while.
pub(crate) async fn metrics<O: Operator>(State(admin): State<Admin<O>>) -> Response {
    let workers = admin.workers.clone();
    // Waiting requests get a permit in order.
    let turn = Arc::clone(&admin.scrapes).acquire_owned().await;
    let render = move || {
        // The rendering cannot be cancelled, so it keeps its permit to its end, even if the client is gone.
        let _turn = turn;
        let is_well = admin.operator.journal_trouble().is_none();
        admin.metrics.set_journal(admin.operator.view().sequence, is_well);
        admin.metrics.render()
    };
    match workers.spawn_blocking(render).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}
