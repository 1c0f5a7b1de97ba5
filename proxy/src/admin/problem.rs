//! Errors as the REST API tells them: the only place that builds error bodies.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linkctl::rest::ErrorBody;

use crate::mirror::command::refusal;
use crate::mirror::handle::CommandError;

/// A request that fails, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    error_code: i32,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, error_code: i32, message: impl Into<String>) -> Self {
        Problem { status, error_code, message: message.into() }
    }

    /// The request itself is wrong.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, 400, message)
    }

    /// Something named in the request does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, 404, message)
    }

    /// There is no such cluster here.
    pub(super) fn no_such_cluster(id: &str) -> Self {
        Problem::not_found(format!("Cluster {id} cannot be found."))
    }

    /// There is no such link.
    pub(super) fn no_such_link(name: &str) -> Self {
        refusal::no_such_link(name).into()
    }

    /// The topic is no mirror topic of the link.
    pub(super) fn not_a_mirror(topic: &str) -> Self {
        refusal::not_a_mirror(topic).into()
    }

    /// The path has no such method.
    pub(super) fn method_not_allowed() -> Self {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, 405, "HTTP 405 Method Not Allowed")
    }

    /// The body is larger than the API takes, or did not arrive whole.
    pub(super) fn body(status: StatusCode) -> Self {
        Problem::new(status, i32::from(status.as_u16()), "The request body is too large or incomplete.")
    }

    /// The destination has not answered since the start.
    pub(super) fn not_ready() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            50_003,
            "The destination cluster has not answered yet; try again.",
        )
    }

    /// Something that should not happen did.
    pub(super) fn internal() -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 500, "Internal Server Error")
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem::new(status, error.error_code, error.message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ErrorBody { error_code: self.error_code, message: self.message };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let json = HeaderValue::from_static("application/json");
        (self.status, [(header::CONTENT_TYPE, json)], text).into_response()
    }
}
