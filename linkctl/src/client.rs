//! One request to the REST API at a time, blocking.
//!
//! Promises: every call ends (connect and total timeouts), no answer takes unbounded memory, and every error says which
//! URL was asked and what to do about it. Redirects and proxy variables are not followed: the API is asked directly.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, StatusCode, header};

use crate::address::Address;
use crate::rest::ErrorBody;

/// Longest answer that is read, in bytes.
pub const MAX_BODY: u64 = 32 * 1024 * 1024;
/// Longest body of an error that is read, in bytes.
pub const MAX_ERROR_BODY: u64 = 256 * 1024;
/// How long connecting may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take in all: the server may itself be waiting for the source cluster.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Header that tells who is asking: it stands in the daemon's log and journal, and nobody checks it.
pub const OPERATOR: &str = "X-Linkgate-Operator";
/// After this time without a request a connection is not used again: the daemon closes it after ten seconds.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// The server's own refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `error_code` of the body; the status where the body has none.
    pub error_code: i32,
    /// For people.
    pub message: String,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No connection.
    #[error(
        "cannot reach the REST API of Linkgate at {url} (from {origin}): {reason}. Is linkgate running there? \
         Give its address with --rest-url or LINKGATE_REST_URL."
    )]
    Unreachable {
        /// Base URL.
        url: String,
        /// Which flag or variable it came from.
        origin: &'static str,
        /// What the system said.
        reason: String,
    },
    /// Connected, but no complete answer in time.
    #[error("no answer from {url} within {seconds} s; the request may still take effect")]
    TimedOut {
        /// The URL asked.
        url: String,
        /// The limit.
        seconds: u64,
    },
    /// The answer is not what the API answers.
    #[error("unexpected answer from {url} (HTTP {status}): {reason}. Is this the REST API of Linkgate?")]
    BadAnswer {
        /// The URL asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong.
        reason: String,
    },
    /// The request cannot be made from what was given.
    #[error("{0}")]
    BadRequest(String),
}

impl ClientError {
    /// The HTTP status of the server's refusal, when it is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            ClientError::Api(err) => Some(err.status),
            _ => None,
        }
    }
}

/// A client of one address.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    address: Address,
    operator: String,
}

impl Client {
    /// A client; nothing is sent yet.
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

    /// Where it asks.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// `GET`, expecting JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (status, body) = self.send::<()>(Method::GET, path, None)?;
        self.decode(path, status, &body)
    }

    /// `POST` or `PUT` with a JSON body, expecting JSON.
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

    /// Any request whose answer has no content that matters.
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

/// Whoever runs this, as the environment says.
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

/// The beginning of a body that is no JSON, on one line and without control characters.
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
    fn error_bodies_are_decoded_whatever_they_are() {
        let json = api_error(StatusCode::CONFLICT, br#"{"error_code":40902,"message":"there"}"#);
        assert_eq!(json, ApiError { status: 409, error_code: 40902, message: "there".to_owned() });
        let html = api_error(StatusCode::TOO_MANY_REQUESTS, b"<html>\n<b>slow\x1b down</b>");
        assert_eq!(html.message, "HTTP 429 Too Many Requests: <html> <b>slow down</b>");
        assert_eq!(api_error(StatusCode::BAD_GATEWAY, b"").message, "HTTP 502 Bad Gateway");
    }
}
