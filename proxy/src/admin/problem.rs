//! Errors of the REST API. No other module builds error bodies.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linkctl::rest::ErrorBody;

use crate::mirror::command::refusal;
use crate::mirror::command::types::{CommandError, CommandErrorKind};

/// Error response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    error_code: i32,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, error_code: i32, message: impl Into<String>) -> Self {
        Problem { status, error_code, message: message.into() }
    }

    /// The request is not valid.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, 400, message)
    }

    /// An object named in the request does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, 404, message)
    }

    /// The path names another cluster.
    pub(crate) fn no_such_cluster(id: &str) -> Self {
        Problem::not_found(format!("Cluster {id} cannot be found."))
    }

    /// There is no such link.
    pub(crate) fn no_such_link(name: &str) -> Self {
        refusal::no_such_link(name).into()
    }

    /// The topic is not a mirror topic of the link.
    pub(crate) fn not_a_mirror(topic: &str) -> Self {
        refusal::not_a_mirror(topic).into()
    }

    /// The path does not support this method.
    pub(crate) fn method_not_allowed() -> Self {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, 405, "HTTP 405 Method Not Allowed")
    }

    /// The body is larger than the API accepts, or is incomplete.
    pub(crate) fn body(status: StatusCode) -> Self {
        Problem::new(status, i32::from(status.as_u16()), "The request body is too large or incomplete.")
    }

    /// The request was not meant for this daemon.
    pub(crate) fn misdirected(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, 421, message)
    }

    /// The client may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, 403, message)
    }

    /// The content type of the body is not JSON.
    pub(crate) fn not_json() -> Self {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            415,
            "A request with a body must have the header Content-Type: application/json.",
        )
    }

    /// The body did not arrive in time.
    pub(crate) fn body_timeout() -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, 408, "The request body did not arrive in time.")
    }

    /// The request takes too long. What it has begun may still happen.
    pub(crate) fn took_too_long() -> Self {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            408,
            "The request took too long and was stopped; check what it has changed before you repeat it.",
        )
    }

    /// The resource belongs to Kafka's REST API and is not served here.
    pub(crate) fn not_served(what: &str) -> Self {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            501,
            format!(
                "This API serves cluster links and mirror topics only; ask the brokers for {what}, through \
                 the gateway."
            ),
        )
    }

    /// Too many requests are in progress.
    pub(crate) fn busy() -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, 50_003, "Too many requests are in progress; try again.")
    }

    /// The destination has not answered since the start.
    pub(crate) fn not_ready() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            50_003,
            "The destination cluster has not answered yet; try again.",
        )
    }

    /// An internal error.
    pub(crate) fn internal() -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 500, "Internal Server Error")
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let (status, error_code) = codes(error.kind);
        Problem::new(status, error_code, error.message)
    }
}

/// Returns the HTTP status and Confluent's `error_code` of a refused command. The code is the status, or the
/// status followed by two digits.
pub(crate) fn codes(kind: CommandErrorKind) -> (StatusCode, i32) {
    match kind {
        CommandErrorKind::Invalid => (StatusCode::BAD_REQUEST, 40_002),
        CommandErrorKind::Renaming => (StatusCode::BAD_REQUEST, 40_035),
        CommandErrorKind::IllegalState => (StatusCode::BAD_REQUEST, 400),
        CommandErrorKind::LinkInUse | CommandErrorKind::NotAuthorized => (StatusCode::FORBIDDEN, 40_301),
        CommandErrorKind::NoSuchLink | CommandErrorKind::NotAMirror => (StatusCode::NOT_FOUND, 404),
        CommandErrorKind::NoSuchSourceTopic => (StatusCode::NOT_FOUND, 40_403),
        CommandErrorKind::NotFinished => (StatusCode::REQUEST_TIMEOUT, 408),
        CommandErrorKind::LinkExists => (StatusCode::CONFLICT, 40_902),
        CommandErrorKind::BackupRefused => (StatusCode::CONFLICT, 409),
        CommandErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, 50_002),
        CommandErrorKind::NotClearedYet => (StatusCode::SERVICE_UNAVAILABLE, 50_003),
        CommandErrorKind::NotCleared => (StatusCode::SERVICE_UNAVAILABLE, 50_004),
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
