//! Listeners in Kafka's notation: `PROTOCOL://host:port`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use state::model::HostPort;

/// Protocol and address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `http` for the admin API. For Kafka clients the name of the listener, by default that of its security
    /// protocol.
    pub scheme: String,
    /// Host and port. In `listeners` an empty host stands for all addresses.
    pub at: HostPort,
}

impl Listener {
    /// Makes a listener of the protocol PLAINTEXT.
    pub fn plaintext(host: impl Into<String>, port: u16) -> Self {
        Listener { scheme: "PLAINTEXT".into(), at: HostPort { host: host.into(), port } }
    }

    /// Returns true if the listener can be reached from this machine only.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.at.host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        address || host.eq_ignore_ascii_case("localhost")
    }

    /// Returns true if the host stands for all addresses of the machine. Clients cannot connect to such a
    /// host.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self.at.host.as_str(), "" | "0.0.0.0" | "::")
    }
}

/// Error of a text that is not a valid listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not of the form {1}://host:port")]
pub struct ParseListenerError(String, &'static str);

impl FromStr for Listener {
    type Err = ParseListenerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseListenerError(text.to_owned(), "PROTOCOL");
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        if scheme.is_empty() {
            return Err(wrong());
        }
        let rest = rest.trim_end_matches('/');
        let at = match rest.strip_prefix(':') {
            Some(port) => format!("0.0.0.0:{port}").parse(),
            None => rest.parse(),
        };
        Ok(Listener { scheme: scheme.to_owned(), at: at.map_err(|_| wrong())? })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_parsed_as_in_kafka() {
        let all: Listener = "PLAINTEXT://:9092".parse().unwrap();
        assert!(all.is_wildcard());
        assert_eq!(all.to_string(), "PLAINTEXT://0.0.0.0:9092");
        let admin: Listener = "http://127.0.0.1:8090/".parse().unwrap();
        assert_eq!((admin.scheme.as_str(), admin.at.port, admin.is_wildcard()), ("http", 8090, false));
        assert!("PLAINTEXT://[::]:9092".parse::<Listener>().unwrap().is_wildcard());
        for text in ["", "localhost:9092", "://h:1", "PLAINTEXT://h", "http://h:x"] {
            assert!(text.parse::<Listener>().is_err(), "{text}");
        }
    }
}
