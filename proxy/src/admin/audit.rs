//! Writes one log line for each request that changes something or tries to: the client, the request, and the
//! status. Values of configs never appear in it.

use axum::http::Method;
use parking_lot::Mutex;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::admin::server::Came;

/// Header in which an operator or a tool gives its name. The name is not verified.
pub(crate) const OPERATOR: &str = "x-linkgate-operator";
/// Maximum length of that name, in characters.
const MAX_NAME: usize = 64;
/// Maximum number of names of configs or topics in one line.
const MAX_NAMES: usize = 20;
/// Maximum length of a path, in characters.
const MAX_PATH: usize = 512;
/// Query parameters that appear in the line.
const QUERY: [&str; 4] = ["link_name", "force", "validate_only", "validate_link"];

/// Names that a request handler adds to the line. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit(Arc<Mutex<Named>>);

#[derive(Debug, Default)]
struct Named {
    names: Vec<String>,
    all: usize,
}

impl Audit {
    /// Adds the names of the changed objects: configs of a link, or mirror topics.
    pub(crate) fn names<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut named = self.0.lock();
        for name in names {
            named.all += 1;
            if named.names.len() < MAX_NAMES {
                named.names.push(kept(name, 249));
            }
        }
    }

    fn text(&self) -> String {
        let named = self.0.lock();
        let more = named.all - named.names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        named.names.join(",") + &more
    }
}

/// Status in the line of a request whose client went away before the response.
const GONE: u16 = 499;

/// The log line of one request. Written on drop, so every outcome is logged.
pub(crate) struct AuditLine {
    is_change: bool,
    audit: Audit,
    status: u16,
    method: String,
    path: String,
    peer: String,
    operator: String,
}

impl AuditLine {
    /// Begins the line of this request.
    pub(crate) fn of(request: &Request) -> Self {
        AuditLine {
            is_change: is_change(request.method()),
            audit: Audit::default(),
            status: GONE,
            method: kept(request.method().as_str(), 16),
            path: path(request.uri()),
            peer: request.extensions().get::<Came>().map_or_else(String::new, |came| came.peer.to_string()),
            operator: operator(request.headers()),
        }
    }

    /// Returns the operator as the journal names it.
    pub(crate) fn who(&self) -> String {
        match self.operator.as_str() {
            "" => format!("operator {}", self.peer),
            name => format!("operator {} ({name})", self.peer),
        }
    }

    /// Returns the part to which the handler adds names.
    pub(crate) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// Sets the status of the response.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for AuditLine {
    fn drop(&mut self) {
        if self.is_change {
            tracing::info!(
                peer = self.peer,
                operator = self.operator,
                method = self.method,
                path = self.path,
                names = self.audit.text(),
                status = self.status,
                "admin request"
            );
        }
    }
}

fn operator(headers: &HeaderMap) -> String {
    headers
        .get(OPERATOR)
        .map(|name| kept(&String::from_utf8_lossy(name.as_bytes()), MAX_NAME))
        .unwrap_or_default()
}

/// Returns the path with the known query parameters.
fn path(uri: &Uri) -> String {
    let known = |pair: &&str| QUERY.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(known).collect();
    let separator = if query.is_empty() { "" } else { "?" };
    kept(&format!("{}{separator}{}", uri.path(), query.join("&")), MAX_PATH)
}

/// Returns the start of a text without control characters, which could falsify a log or a table.
fn kept(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

/// Returns true if a request with this method changes something.
pub(crate) fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a line of a request with this operator name.
    fn line(uri: &str, operator: &[u8]) -> AuditLine {
        let request = Request::builder().method("PUT").uri(uri).header(OPERATOR, operator);
        AuditLine::of(&request.body(axum::body::Body::empty()).unwrap())
    }

    #[test]
    fn operator_names_are_shortened_and_sanitized() {
        assert_eq!(line("/x", "alice\u{9b}31m@bastion".as_bytes()).operator, "alice31m@bastion");
        assert_eq!(line("/x", &[b'a'; 500]).operator.len(), MAX_NAME);
        assert!(line("/x", b"").who().starts_with("operator "));
    }

    #[test]
    fn only_known_query_parameters_are_logged() {
        let told = line("/kafka/v3/links?link_name=dr&password=x&force=true", b"").path.clone();
        assert_eq!(told, "/kafka/v3/links?link_name=dr&force=true");
    }

    #[test]
    fn long_lists_are_cut() {
        let audit = Audit::default();
        let names: Vec<String> = (0..1000).map(|n| format!("t{n}")).collect();
        audit.names(names.iter().map(String::as_str));
        assert!(audit.text().ends_with("t19 and 980 more"), "{}", audit.text());
    }
}
