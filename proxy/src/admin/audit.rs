//! One log line for each request that changes something, or tries to: who, what, and what became of it. Never a value.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};

use super::front::is_change;
use super::server::Came;

/// Header in which an operator or a tool says who is asking. Nobody checks it.
pub(super) const OPERATOR: &str = "x-linkgate-operator";
/// Longest such name, in characters.
const MAX_NAME: usize = 64;
/// Names of configs or topics in one line.
const MAX_NAMES: usize = 20;
/// Longest path, in characters.
const MAX_PATH: usize = 512;
/// The parts of a query that say what was asked for.
const QUERY: [&str; 4] = ["link_name", "force", "validate_only", "validate_link"];

/// What the handler of a request tells for the line. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Audit(Arc<Mutex<Named>>);

#[derive(Debug, Default)]
struct Named {
    names: Vec<String>,
    all: usize,
}

impl Audit {
    /// Names of what is changed: configs of a link, mirror topics.
    pub(super) fn names<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            named.all += 1;
            if named.names.len() < MAX_NAMES {
                named.names.push(kept(name, 249));
            }
        }
    }

    fn text(&self) -> String {
        let named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = named.all - named.names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        named.names.join(",") + &more
    }
}

/// Status in the line of a request whose client went away before it was answered.
const GONE: u16 = 499;

/// The line of one request: written when this is dropped, whatever became of it.
pub(super) struct Line {
    is_change: bool,
    audit: Audit,
    status: u16,
    method: String,
    path: String,
    peer: String,
    operator: String,
}

impl Line {
    /// Of this request.
    pub(super) fn of(request: &Request) -> Self {
        Line {
            is_change: is_change(request.method()),
            audit: Audit::default(),
            status: GONE,
            method: kept(request.method().as_str(), 16),
            path: path(request.uri()),
            peer: request.extensions().get::<Came>().map_or_else(String::new, |came| came.peer.to_string()),
            operator: operator(request.headers()),
        }
    }

    /// As the journal names who asked.
    pub(super) fn who(&self) -> String {
        match self.operator.as_str() {
            "" => format!("operator {}", self.peer),
            name => format!("operator {} ({name})", self.peer),
        }
    }

    /// Where the handler tells what it changes.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// What became of it.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for Line {
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

/// The path, and of the query what says more than the body.
fn path(uri: &Uri) -> String {
    let known = |pair: &&str| QUERY.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(known).collect();
    let separator = if query.is_empty() { "" } else { "?" };
    kept(&format!("{}{separator}{}", uri.path(), query.join("&")), MAX_PATH)
}

/// The beginning of a text, without what could pass for something else in a log or a table.
fn kept(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a request with this operator.
    fn line(uri: &str, operator: &[u8]) -> Line {
        let request = Request::builder().method("PUT").uri(uri).header(OPERATOR, operator);
        Line::of(&request.body(axum::body::Body::empty()).unwrap())
    }

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(line("/x", "alice\u{9b}31m@bastion".as_bytes()).operator, "alice31m@bastion");
        assert_eq!(line("/x", &[b'a'; 500]).operator.len(), MAX_NAME);
        assert!(line("/x", b"").who().starts_with("operator "));
    }

    #[test]
    fn of_a_query_only_what_was_asked_for_is_told() {
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
