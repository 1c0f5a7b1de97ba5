//! One request, taken apart: path, query, body, and where the caller sees this API.

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

use super::audit::Audit;
use super::problem::Problem;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request.
pub(super) struct Call {
    /// `http://host:port/kafka/v3`, as the caller addressed it.
    base: String,
    params: HashMap<String, String>,
    query: HashMap<String, String>,
    body: Bytes,
    /// What the handler tells for the log.
    pub(super) audit: Audit,
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
        // A page of another site can make a browser send any other type.
        if !body.is_empty() && !is_json {
            return Err(Problem::not_json());
        }
        Ok(Call { base, params, query, body, audit })
    }
}

impl Call {
    /// A path segment, decoded; empty when the route has none of this name.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A query parameter that is given and not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A query parameter that is `true` or `false`.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.query(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Problem::bad_request(format!("{name}={text}: expected true or false"))),
        }
    }

    /// A query parameter that is a number.
    pub(super) fn number(&self, name: &str, default: u64) -> Result<u64, Problem> {
        let Some(text) = self.query(name) else { return Ok(default) };
        text.parse().map_err(|_| Problem::bad_request(format!("{name}={text}: expected a number")))
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::bad_request(format!("Cannot read the request body: {error}")))
    }

    /// URL of a resource, from its path segments.
    pub(super) fn url(&self, segments: &[&str]) -> String {
        let mut url = self.base.clone();
        for name in segments {
            url.push('/');
            url.extend(segment::encoded(name));
        }
        url
    }

    /// The same with query parameters.
    pub(super) fn url_with(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        let pairs = query.iter().map(|(name, value)| format!("{name}={}", segment::encoded(value)));
        format!("{}?{}", self.url(segments), pairs.collect::<Vec<_>>().join("&"))
    }

    /// Metadata of a list, from its path segments.
    pub(super) fn list_metadata(&self, segments: &[&str]) -> ListMetadata {
        ListMetadata { self_url: self.url(segments), next: None }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// `200` with a JSON body.
pub(super) fn json<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "a response cannot be written as json");
            Problem::internal().into_response()
        }
    }
}
