//! Where the REST API is: the flag, then the environment, then the bootstrap host with port 8090. Pure.

use std::net::IpAddr;

use state::model::{HostPort, link_config};

/// Environment variable that names the REST API.
pub const ENVIRONMENT: &str = "LINKGATE_REST_URL";
/// Port of the REST API when only a host is known.
pub const DEFAULT_PORT: u16 = 8090;

/// Base URL of the REST API, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://host:port`, without a path of the API and without a slash at the end.
    pub url: String,
    /// Which flag or variable gave it.
    pub origin: &'static str,
}

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing names it.
    #[error("Missing required argument \"[bootstrap-server]\"")]
    Missing,
    /// What names it is malformed.
    #[error("{origin} '{text}' is not usable: {reason}")]
    Malformed {
        /// Which flag or variable.
        origin: &'static str,
        /// Its value.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The address that follows from what was given, in order of precedence.
///
/// # Errors
/// [`AddressError`] when nothing was given, or the first thing given is malformed.
pub fn resolve(
    rest_url: Option<&str>,
    environment: Option<&str>,
    bootstrap_server: Option<&str>,
) -> Result<Address, AddressError> {
    if let Some(url) = rest_url {
        return from_url(url, "--rest-url");
    }
    if let Some(url) = environment.filter(|url| !url.is_empty()) {
        return from_url(url, ENVIRONMENT);
    }
    match bootstrap_server {
        Some(servers) => from_bootstrap(servers),
        None => Err(AddressError::Missing),
    }
}

fn from_url(text: &str, origin: &'static str) -> Result<Address, AddressError> {
    let malformed = |reason| AddressError::Malformed { origin, text: text.to_owned(), reason };
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return Err(malformed("https is not supported yet, use http"));
    }
    let rest = match lower.strip_prefix("http://") {
        Some(_) => &text["http://".len()..],
        None if text.contains("://") => return Err(malformed("expected http://host:port")),
        None => text,
    };
    if rest.contains(char::is_whitespace) || rest.contains(['?', '#', '@']) {
        return Err(malformed("expected http://host:port"));
    }
    let mut rest = rest.trim_end_matches('/');
    for suffix in ["/v3", "/kafka"] {
        rest = rest.strip_suffix(suffix).unwrap_or(rest).trim_end_matches('/');
    }
    if rest.is_empty() || rest.starts_with([':', '/']) {
        return Err(malformed("it names no host"));
    }
    Ok(Address { url: format!("http://{rest}"), origin })
}

fn from_bootstrap(servers: &str) -> Result<Address, AddressError> {
    let origin = "--bootstrap-server";
    let malformed = |reason| AddressError::Malformed { origin, text: servers.to_owned(), reason };
    let first = servers.split(',').map(str::trim).find(|server| !server.is_empty());
    let first = first.ok_or_else(|| malformed("expected host:port"))?;
    let first = first.split_once("://").map_or(first, |(_, rest)| rest);
    let server: HostPort = first.parse().map_err(|_| malformed("expected host:port"))?;
    if server.host.contains(['@', '?', '#']) {
        return Err(malformed("expected host:port"));
    }
    let api = HostPort::new(server.host, DEFAULT_PORT);
    Ok(Address { url: format!("http://{api}"), origin })
}

impl Address {
    /// The host in it, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

/// Environment variable that allows what `--allow-cleartext` allows.
pub const ALLOW_CLEARTEXT: &str = "LINKGATE_ALLOW_CLEARTEXT";

/// Secrets would cross the network for all to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{names} would be sent to {url} in the clear: run this on the machine of Linkgate (--rest-url http://127.0.0.1:8090), \
     through a tunnel such as ssh -L, or with --allow-cleartext (or LINKGATE_ALLOW_CLEARTEXT=true) where that network is \
     trusted"
)]
pub struct Cleartext {
    names: String,
    url: String,
}

impl Address {
    /// Whether what is sent there does not leave this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Checks that the configs of these names may be sent there: secrets only where nobody can read along, or where that
    /// is allowed by the flag or the environment.
    ///
    /// # Errors
    /// [`Cleartext`] with the names of the secrets.
    pub fn may_send<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        is_allowed: bool,
    ) -> Result<(), Cleartext> {
        let by_environment =
            std::env::var(ALLOW_CLEARTEXT).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if self.is_loopback() || is_allowed || by_environment {
            return Ok(());
        }
        let secrets: Vec<&str> = names.into_iter().filter(|name| link_config::is_sensitive(name)).collect();
        if secrets.is_empty() {
            return Ok(());
        }
        Err(Cleartext { names: secrets.join(", "), url: self.url.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(flag: Option<&str>, environment: Option<&str>, bootstrap: Option<&str>) -> String {
        resolve(flag, environment, bootstrap).unwrap().url
    }

    #[test]
    fn the_flag_beats_the_environment_beats_the_bootstrap_server() {
        assert_eq!(url(Some("http://a:1"), Some("http://b:2"), Some("c:9092")), "http://a:1");
        assert_eq!(url(None, Some("http://b:2"), Some("c:9092")), "http://b:2");
        assert_eq!(url(None, Some(""), Some("c:9092,d:9092")), "http://c:8090");
        assert_eq!(resolve(None, None, None), Err(AddressError::Missing));
    }

    #[test]
    fn the_path_of_the_api_may_be_there_or_not() {
        for given in [
            "http://h:8090",
            "http://h:8090/",
            "h:8090",
            "HTTP://h:8090/v3",
            "http://h:8090/kafka/v3/",
            "h:8090/kafka",
        ] {
            assert_eq!(url(Some(given), None, None), "http://h:8090", "{given}");
        }
        assert_eq!(url(Some("http://h/linkgate/kafka"), None, None), "http://h/linkgate");
    }

    #[test]
    fn bootstrap_forms() {
        assert_eq!(url(None, None, Some("PLAINTEXT://h:9092")), "http://h:8090");
        assert_eq!(url(None, None, Some("[::1]:9092")), "http://[::1]:8090");
        assert_eq!(resolve(None, None, Some("[::1]:9092")).unwrap().host(), "[::1]");
        for bad in ["h", ":9092", "h:kafka", ",", "a b:1"] {
            assert!(resolve(None, None, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_leave_this_machine_only_when_that_is_allowed() {
        let to = |url: &str| resolve(Some(url), None, None).unwrap();
        let names = ["bootstrap.servers", "sasl.jaas.config"];
        for url in ["http://localhost:8090", "http://127.0.0.1:1", "http://[::1]:8090", "http://127.9.9.9"] {
            to(url).may_send(names, false).unwrap();
        }
        for url in ["http://kafka:8090", "http://10.0.0.1:8090", "http://localhost.evil:1"] {
            let refused = to(url).may_send(names, false).unwrap_err().to_string();
            assert!(refused.starts_with("sasl.jaas.config would be sent to"), "{refused}");
            to(url).may_send(names, true).unwrap();
            to(url).may_send(["bootstrap.servers"], false).unwrap();
        }
    }

    #[test]
    fn urls_that_cannot_work_are_refused() {
        for bad in ["https://h:8090", "ftp://h", "http://", "http://:8090", "http://u:p@h", "http://h?x=1"] {
            assert!(resolve(Some(bad), None, None).is_err(), "{bad}");
        }
    }
}
