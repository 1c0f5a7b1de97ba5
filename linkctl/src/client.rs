//! Blocking HTTP client of the REST API, one request at a time.
//!
//! Guarantees: every call ends (connect timeout and total timeout), memory per answer is bounded, and every
//! error names the URL and what to do. The client follows no redirects and ignores proxy variables: it asks
//! the API directly.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, StatusCode, header};

use crate::address::Address;
use crate::rest::ErrorBody;

/// Maximum size of an answer, in bytes.
pub const MAX_BODY: u64 = 32 * 1024 * 1024;
/// Maximum size of the body of an error answer, in bytes.
pub const MAX_ERROR_BODY: u64 = 256 * 1024;
/// Timeout for connecting.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for a whole request. It is long because the server may itself wait for the source cluster.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Header with the operator's name. The daemon writes it to its log and journal and does not verify it.
pub const OPERATOR: &str = "X-Linkgate-Operator";
/// Maximum idle time of a connection before a new one is opened. The daemon closes idle connections after 10
/// s.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// Error answer of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `error_code` of the body; the HTTP status if the body has none.
    pub error_code: i32,
    /// Readable message: that of the body, or the HTTP status with the beginning of a body that is not JSON.
    pub message: String,
}

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No connection to the server.
    #[error(
        "cannot reach the REST API of Linkgate at {url} (from {origin}): {reason}. Is linkgate running there? \
         Give its address with --rest-url or LINKGATE_REST_URL."
    )]
    Unreachable {
        /// Base URL.
        url: String,
        /// Name of the flag or environment variable that the URL came from.
        origin: &'static str,
        /// Reason, from the operating system or the resolver.
        reason: String,
    },
    /// Connected, but no complete answer within [`REQUEST_TIMEOUT`].
    #[error("no answer from {url} within {seconds} s; the request may still take effect")]
    TimedOut {
        /// URL of the request.
        url: String,
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// The answer is not one of this API.
    #[error("unexpected answer from {url} (HTTP {status}): {reason}. Is this the REST API of Linkgate?")]
    BadAnswer {
        /// URL of the request.
        url: String,
        /// HTTP status.
        status: u16,
        /// Reason why the answer was refused.
        reason: String,
    },
    /// No request can be made from the arguments.
    #[error("{0}")]
    BadRequest(String),
}

impl ClientError {
    /// Returns the HTTP status if the server answered with an error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            ClientError::Api(err) => Some(err.status),
            _ => None,
        }
    }

    /// Tells whether the same request may succeed later: the daemon could not be reached, gave no answer in time,
    /// or failed (status 500 and above).
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            ClientError::Api(err) => err.status >= 500,
            ClientError::BadAnswer { status, .. } => *status >= 500,
            ClientError::Unreachable { .. } | ClientError::TimedOut { .. } => true,
            ClientError::BadRequest(_) => false,
        }
    }
}

/// HTTP client for one address.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    address: Address,
    operator: String,
}

impl Client {
    /// Creates a client. Sends nothing.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .user_agent(concat!("linkgate-cli/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .max_idle_age(MAX_IDLE)
            .build();
        Client { agent: config.new_agent(), address, operator: operator() }
    }

    /// Returns the address of the REST API.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a `GET` and decodes the JSON answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (status, body) = self.send::<()>(Method::GET, path, None)?;
        self.decode(path, status, &body)
    }

    /// Sends `body` as JSON and decodes the JSON answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn exchange<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let (status, answer) = self.send(method, path, Some(body))?;
        self.decode(path, status, &answer)
    }

    /// Sends a request and ignores the content of a successful answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn command<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<(), ClientError> {
        self.send(method, path, body).map(|_| ())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/kafka/v3{path}", self.address.url)
    }

    fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let url = self.url(path);
        let content = match body {
            Some(body) => serde_json::to_vec(body).map_err(|err| ClientError::BadRequest(err.to_string()))?,
            None => Vec::new(),
        };
        let request = Request::builder().method(method).uri(&url).header(OPERATOR, &self.operator);
        let result = if body.is_some() {
            let request = request.header(header::CONTENT_TYPE, "application/json").body(content);
            self.agent.run(request.map_err(|err| ClientError::BadRequest(format!("{url}: {err}")))?)
        } else {
            let request = request.body(());
            self.agent.run(request.map_err(|err| ClientError::BadRequest(format!("{url}: {err}")))?)
        };
        let mut response = result.map_err(|err| self.explain(&url, None, err))?;
        let status = response.status();
        let limit = if status.is_success() { MAX_BODY } else { MAX_ERROR_BODY };
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        if status.is_success() {
            return Ok((status, body.map_err(|err| self.explain(&url, Some(status), err))?));
        }
        Err(api_error(status, &body.unwrap_or_default()).into())
    }

    fn decode<T: DeserializeOwned>(
        &self,
        path: &str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|err| ClientError::BadAnswer {
            url: self.url(path),
            status: status.as_u16(),
            reason: err.to_string(),
        })
    }

    fn explain(&self, url: &str, status: Option<StatusCode>, err: ureq::Error) -> ClientError {
        let unreachable = |reason: String| ClientError::Unreachable {
            url: self.address.url.clone(),
            origin: self.address.origin,
            reason,
        };
        match err {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                unreachable(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))
            }
            ureq::Error::Timeout(_) => {
                ClientError::TimedOut { url: url.to_owned(), seconds: REQUEST_TIMEOUT.as_secs() }
            }
            ureq::Error::HostNotFound => unreachable("its host name does not resolve".to_owned()),
            ureq::Error::ConnectionFailed => unreachable("no connection".to_owned()),
            ureq::Error::Io(err) if status.is_none() => unreachable(io_reason(&err)),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                ClientError::BadRequest(format!("{url} is not a usable URL: {err}"))
            }
            ureq::Error::BodyExceedsLimit(limit) => ClientError::BadAnswer {
                url: url.to_owned(),
                status: status.map_or(0, |status| status.as_u16()),
                reason: format!("more than {limit} bytes"),
            },
            other => ClientError::BadAnswer {
                url: url.to_owned(),
                status: status.map_or(0, |status| status.as_u16()),
                reason: other.to_string(),
            },
        }
    }
}

/// Returns the operator's name from the environment: printable ASCII, at most 64 characters.
fn operator() -> String {
    let name = ["LINKGATE_OPERATOR", "SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    name.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(64).collect()
}

fn io_reason(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "it closed the connection".to_owned()
        }
        _ => err.to_string(),
    }
}

fn api_error(status: StatusCode, body: &[u8]) -> ApiError {
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(body) {
        return ApiError { status: status.as_u16(), error_code: body.error_code, message: body.message };
    }
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let message = match excerpt(body) {
        text if text.is_empty() => format!("HTTP {} {reason}", status.as_u16()),
        text => format!("HTTP {} {reason}: {text}", status.as_u16()),
    };
    ApiError { status: status.as_u16(), error_code: i32::from(status.as_u16()), message }
}

/// Returns the beginning of a body that is not JSON, on one line and without control characters.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_are_decoded_even_if_they_are_not_json() {
        let json = api_error(StatusCode::CONFLICT, br#"{"error_code":40902,"message":"there"}"#);
        assert_eq!(json, ApiError { status: 409, error_code: 40902, message: "there".to_owned() });
        let html = api_error(StatusCode::TOO_MANY_REQUESTS, b"<html>\n<b>slow\x1b down</b>");
        assert_eq!(html.message, "HTTP 429 Too Many Requests: <html> <b>slow down</b>");
        assert_eq!(api_error(StatusCode::BAD_GATEWAY, b"").message, "HTTP 502 Bad Gateway");
    }
}
