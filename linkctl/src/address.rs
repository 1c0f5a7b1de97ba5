//! Finds the address of the REST API. No I/O, except that [`Address::may_send`] reads the environment.
//!
//! Precedence: the flag, then the environment variable, then the bootstrap host with port 8090.

use std::net::IpAddr;

use state::model::{HostPort, link_config};

/// Environment variable that names the REST API.
pub const ENVIRONMENT: &str = "LINKGATE_REST_URL";
/// Port of the REST API, used when only the host is known.
pub const DEFAULT_PORT: u16 = 8090;

/// Base URL of the REST API, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://host:port`, without the API's path and without a trailing slash.
    pub url: String,
    /// Name of the flag or environment variable that the URL came from, for error messages.
    pub origin: &'static str,
}

/// Error: no usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No flag and no variable gives an address.
    #[error("Missing required argument \"[bootstrap-server]\"")]
    Missing,
    /// The first address given is malformed.
    #[error("{origin} '{text}' is not usable: {reason}")]
    Malformed {
        /// Name of the flag or environment variable.
        origin: &'static str,
        /// Value of the flag or variable.
        text: String,
        /// Reason why the value is refused.
        reason: &'static str,
    },
}

/// Returns the address by precedence: `rest_url`, then `environment`, then `bootstrap_server`.
///
/// # Errors
/// [`AddressError`] if no address is given, or if the one with the highest precedence is malformed.
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
        return Err(malformed("it has no host"));
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
    /// Returns the host of the URL, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

/// Environment variable with the effect of `--allow-cleartext`, if its value is `true`.
pub const ALLOW_CLEARTEXT: &str = "LINKGATE_ALLOW_CLEARTEXT";

/// Error: secrets would cross the network unencrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{names} would be sent to {url} unencrypted: run this on Linkgate's machine (--rest-url \
     http://127.0.0.1:8090), through a tunnel such as ssh -L, or, if that network is trusted, with \
     --allow-cleartext (or LINKGATE_ALLOW_CLEARTEXT=true)"
)]
pub struct Cleartext {
    names: String,
    url: String,
}

impl Address {
    /// Returns true if the host is this machine (loopback).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Checks that configs with these names may be sent to this address. Secrets may go over loopback only,
    /// unless the flag (`is_allowed`) or the environment allows more.
    ///
    /// # Errors
    /// [`Cleartext`] with the names of the secret configs.
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
    fn the_flag_wins_over_the_environment_and_that_over_the_bootstrap_server() {
        assert_eq!(url(Some("http://a:1"), Some("http://b:2"), Some("c:9092")), "http://a:1");
        assert_eq!(url(None, Some("http://b:2"), Some("c:9092")), "http://b:2");
        assert_eq!(url(None, Some(""), Some("c:9092,d:9092")), "http://c:8090");
        assert_eq!(resolve(None, None, None), Err(AddressError::Missing));
    }

    #[test]
    fn a_url_may_include_the_api_path() {
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
    fn a_bootstrap_server_gives_the_host_and_malformed_ones_are_refused() {
        assert_eq!(url(None, None, Some("PLAINTEXT://h:9092")), "http://h:8090");
        assert_eq!(url(None, None, Some("[::1]:9092")), "http://[::1]:8090");
        assert_eq!(resolve(None, None, Some("[::1]:9092")).unwrap().host(), "[::1]");
        for bad in ["h", ":9092", "h:kafka", ",", "a b:1"] {
            assert!(resolve(None, None, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_leave_this_machine_only_if_allowed() {
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
