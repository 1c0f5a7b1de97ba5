//! A parsed request: path, query, body, and the URL under which the client sees this API.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Path, Query, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use linkctl::rest::{ListMetadata, PREFIXES};
use linkctl::segment;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::audit::Audit;
use crate::admin::problem::Problem;

/// Timeout for the arrival of a request body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A parsed request.
pub(crate) struct Call {
    /// `http://host:port/kafka/v3`, as the client addressed it.
    base: String,
    params: HashMap<String, String>,
    query: HashMap<String, String>,
    body: Bytes,
    /// Receives data of the handler for the audit log.
    pub(crate) audit: Audit,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        if parts.uri.path().contains("//") {
            return Err(Problem::bad_request(format!("{}: a path segment is empty", parts.uri.path())));
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let prefix =
            PREFIXES.into_iter().find(|prefix| parts.uri.path().starts_with(prefix)).unwrap_or_default();
        let base = format!("http://{host}{prefix}");
        let Path(params) = Path::<HashMap<String, String>>::from_request_parts(&mut parts, state)
            .await
            .map_err(|error| Problem::bad_request(error.body_text()))?;
        let Query(query) = Query::<HashMap<String, String>>::from_request_parts(&mut parts, state)
            .await
            .map_err(|error| Problem::bad_request(error.body_text()))?;
        let audit = parts.extensions.get::<Audit>().cloned().unwrap_or_default();
        let is_json = is_json(&parts.headers);
        let arriving = Bytes::from_request(Request::from_parts(parts, body), state);
        let body = tokio::time::timeout(BODY_TIMEOUT, arriving)
            .await
            .map_err(|_| Problem::body_timeout())?
            .map_err(|error| Problem::body(error.status()))?;
        // A page of another site can make a browser send other content types, but not JSON.
        if !body.is_empty() && !is_json {
            return Err(Problem::not_json());
        }
        Ok(Call { base, params, query, body, audit })
    }
}

impl Call {
    /// Returns a decoded path segment; empty if the route has none of this name.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Returns a query parameter; `None` if it is missing or empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a query parameter with the value `true` or `false`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.query(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Problem::bad_request(format!("{name}={text}: expected true or false"))),
        }
    }

    /// Returns a numeric query parameter.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64, Problem> {
        let Some(text) = self.query(name) else { return Ok(default) };
        text.parse().map_err(|_| Problem::bad_request(format!("{name}={text}: expected a number")))
    }

    /// Parses the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::bad_request(format!("Cannot read the request body: {error}")))
    }

    /// Builds the URL of a resource from its path segments.
    pub(crate) fn url(&self, segments: &[&str]) -> String {
        let mut url = self.base.clone();
        for name in segments {
            url.push('/');
            url.extend(segment::encoded(name));
        }
        url
    }

    /// Builds the URL of a resource with query parameters.
    pub(crate) fn url_with(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        let pairs = query.iter().map(|(name, value)| format!("{name}={}", segment::encoded(value)));
        format!("{}?{}", self.url(segments), pairs.collect::<Vec<_>>().join("&"))
    }

    /// Builds the metadata of a list from its path segments.
    pub(crate) fn list_metadata(&self, segments: &[&str]) -> ListMetadata {
        ListMetadata { self_url: self.url(segments), next: None }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Makes a 200 response with a JSON body.
pub(crate) fn json<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "a response cannot be written as json");
            Problem::internal().into_response()
        }
    }
}
