//! Routes of the admin API. Every path also works with a trailing slash.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{MethodRouter, any, get, post, put};
use linkctl::rest::PREFIXES;

use crate::admin::front::{self, Front};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::admin::{
    Admin, clients, clusters, filler, health, journal, link_configs, links, mirror_actions, mirrors, openapi,
};

/// Maximum size of a request body, in bytes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// Builds the routes of the whole API.
pub(crate) fn control<O: Operator>(admin: Admin<O>, front: Front) -> Router {
    let mut router = probes().route("/openapi.json", get(openapi::document));
    for prefix in PREFIXES {
        for (path, methods) in api::<O>() {
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

/// Returns the routes of the REST v3 API, without their prefix.
fn api<O: Operator>() -> Vec<(&'static str, MethodRouter<Admin<O>>)> {
    vec![
        ("/clusters", get(clusters::list::<O>)),
        ("/clusters/{cluster}", get(clusters::get::<O>)),
        ("/clusters/{cluster}/clients", get(clients::list::<O>)),
        ("/clusters/{cluster}/journal", get(journal::list::<O>)),
        ("/clusters/{cluster}/journal:backup", post(journal::back_up::<O>)),
        ("/clusters/{cluster}/{related}", any(clusters::elsewhere::<O>)),
        ("/clusters/{cluster}/topics/{topic}", any(clusters::topic::<O>)),
        ("/clusters/{cluster}/topics/-/partitions/-/reassignment", any(clusters::topic::<O>)),
        ("/clusters/{cluster}/links", get(links::list::<O>).post(links::create::<O>)),
        ("/clusters/{cluster}/links/{link}", get(links::get::<O>).delete(links::delete::<O>)),
        ("/clusters/{cluster}/links/{link}/configs", get(link_configs::list::<O>)),
        ("/clusters/{cluster}/links/{link}/configs:alter", put(link_configs::alter::<O>)),
        (
            "/clusters/{cluster}/links/{link}/configs/{name}",
            get(link_configs::get::<O>).put(link_configs::put::<O>).delete(link_configs::reset::<O>),
        ),
        ("/clusters/{cluster}/links/{link}/mirrors", get(mirrors::list::<O>).post(mirrors::create::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors:promote", post(mirror_actions::promote::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors:failover", post(mirror_actions::failover::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors:pause", post(mirror_actions::pause::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors:resume", post(mirror_actions::resume::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors/{topic}", get(mirrors::get::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors/{topic}/filler", get(filler::get::<O>)),
        ("/clusters/{cluster}/links/{link}/mirrors/{topic}/filler:scan", post(filler::scan::<O>)),
    ]
}

async fn unknown() -> Problem {
    Problem::not_found("HTTP 404 Not Found")
}
