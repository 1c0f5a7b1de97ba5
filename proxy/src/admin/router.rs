//! Routes of the admin API. Every path also works with a trailing slash.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{MethodRouter, any, get};
use linkctl::rest::PREFIXES;

use crate::admin::front::{self, Front};
use crate::admin::operations::operations;
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::admin::{Admin, clusters, health, openapi};

/// Maximum size of a request body, in bytes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// Builds the routes of the whole API.
pub(crate) fn control<O: Operator>(admin: Admin<O>, front: Front) -> Router {
    let mut router = probes().route("/openapi.json", get(openapi::document::<O>));
    for prefix in PREFIXES {
        let api = operations::<O>().map(|operation| (operation.path, operation.route));
        for (path, methods) in api.into_iter().chain(elsewhere()) {
            router = router.route(&format!("{prefix}{path}/"), methods.clone());
            router = router.route(&format!("{prefix}{path}"), methods);
        }
    }
    finished(router, admin).layer(middleware::from_fn_with_state(front, front::admit))
}

/// Builds the routes of health and metrics only. They change nothing and need no check of the host name.
pub(crate) fn metrics<O: Operator>(admin: Admin<O>) -> Router {
    finished(probes(), admin)
}

fn probes<O: Operator>() -> Router<Admin<O>> {
    Router::new()
        .route("/health/live", get(health::live::<O>))
        .route("/health/ready", get(health::ready::<O>))
        .route("/metrics", get(health::metrics::<O>))
}

fn finished<O: Operator>(router: Router<Admin<O>>, admin: Admin<O>) -> Router {
    router
        .fallback(unknown)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(admin)
}

/// Returns the paths of REST v3 whose resources are the brokers' own. Clients get an error that says so.
fn elsewhere<O: Operator>() -> [(&'static str, MethodRouter<Admin<O>>); 3] {
    [
        ("/clusters/{cluster}/{related}", any(clusters::elsewhere::<O>)),
        ("/clusters/{cluster}/topics/{topic}", any(clusters::topic::<O>)),
        ("/clusters/{cluster}/topics/-/partitions/-/reassignment", any(clusters::topic::<O>)),
    ]
}

async fn unknown() -> Problem {
    Problem::not_found("HTTP 404 Not Found")
}
