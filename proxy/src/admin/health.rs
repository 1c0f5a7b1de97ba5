//! `/health/live`, `/health/ready` and `/metrics`: for probes and scrapers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::operator::Operator;
use super::problem::Problem;
use super::{Admin, pulse};
use crate::mirror::clearance::Clearance;
use crate::obs::CONTENT_TYPE;

/// Metrics that are made at a time.
pub(super) const MAX_SCRAPES: usize = 2;

/// What must have happened before the daemon is ready. Cheap to clone.
///
/// The journal is open before there is an admin API at all; the destination counts as reached once its id is known.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    gateway: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The gateway accepts clients.
    pub fn gateway_listens(&self) {
        self.0.gateway.store(true, Ordering::Release);
    }

    /// The daemon is about to stop: send no more work.
    pub fn draining(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// What it still waits for; empty when ready.
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

/// `GET /health/live`: the process answers, and its workers run. Told by another thread than theirs.
pub(super) async fn live<O: Operator>(State(admin): State<Admin<O>>) -> Response {
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

/// `GET /health/ready`: clients can be served.
pub(super) async fn ready<O: Operator>(State(admin): State<Admin<O>>) -> Response {
    let destination_known = !admin.operator.cluster_id().is_empty();
    let mut missing = admin.readiness.waits_for(destination_known, &admin.operator.clearance());
    let faults = admin.operator.faults();
    // Clients and mirroring go on without the journal's disk: that is told, and is no reason to send nobody here.
    let troubles: Vec<String> =
        admin.operator.journal_trouble().into_iter().chain(admin.operator.stamp_trouble()).collect();
    if missing.is_empty() && faults.is_empty() {
        let ready = json!({"status": "ready"});
        let troubled = json!({"status": "ready", "troubles": troubles});
        return axum::Json(if troubles.is_empty() { ready } else { troubled }).into_response();
    }
    if missing.is_empty() {
        // It was reached, and another cluster answers for it now.
        missing.push("destination");
    }
    let faults: Vec<_> =
        faults.iter().map(|fault| json!({"code": fault.code, "message": fault.message})).collect();
    let body = json!({"status": "not ready", "waits_for": missing, "faults": faults, "troubles": troubles});
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// `GET /metrics`. Made on a thread of its own: with many partitions that takes a while.
pub(super) async fn metrics<O: Operator>(State(admin): State<Admin<O>>) -> Response {
    let workers = admin.workers.clone();
    // Whoever waits goes first when there is room.
    let turn = Arc::clone(&admin.scrapes).acquire_owned().await;
    let render = move || {
        // The work cannot be cancelled: it keeps its turn to its end, also when whoever asked is gone.
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
