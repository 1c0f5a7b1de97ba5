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

    /// The request was not meant for this daemon.
    pub(super) fn misdirected(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, 421, message)
    }

    /// Whoever asks may not.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, 403, message)
    }

    /// A body is JSON, and says so.
    pub(super) fn not_json() -> Self {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            415,
            "A request with a body must have the header Content-Type: application/json.",
        )
    }

    /// The body did not arrive in time.
    pub(super) fn body_timeout() -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, 408, "The request body did not arrive in time.")
    }

    /// It takes longer than a request may. What it has begun may still happen.
    pub(super) fn took_too_long() -> Self {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            408,
            "The request took too long and was given up; look at what it has changed before you repeat it.",
        )
    }

    /// A resource of Kafka's REST API that is not in this one.
    pub(super) fn not_served(what: &str) -> Self {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            501,
            format!(
                "This API tells of cluster links and mirror topics; ask the brokers for {what}, through the gateway."
            ),
        )
    }

    /// Too many requests at a time.
    pub(super) fn busy() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            50_003,
            "Too many requests are being carried out at the moment; try again.",
        )
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
