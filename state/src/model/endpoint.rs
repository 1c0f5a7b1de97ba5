//! `host:port`, as in Kafka's `bootstrap.servers`.

use std::fmt;
use std::str::FromStr;

/// A host (name, IPv4 or IPv6 address without brackets) and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Error for a text that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not host:port (write IPv6 addresses as [::1]:9092)")]
pub struct ParseHostPortError(String);

impl HostPort {
    /// Creates an address from a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        HostPort { host: host.into(), port }
    }

    /// Parses a comma-separated list. Blanks around entries and empty entries are allowed, an empty list is
    /// not.
    ///
    /// # Errors
    /// Names the first entry that is not `host:port`, or the whole text if there is no entry.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ParseHostPortError> {
        let entries: Vec<_> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        if entries.is_empty() {
            return Err(ParseHostPortError(text.to_owned()));
        }
        entries.into_iter().map(str::parse).collect()
    }
}

impl FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseHostPortError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(address)) if address.contains(':') => address,
            None if !host.contains([':', ']']) => host,
            _ => return Err(wrong()),
        };
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if host.is_empty() || host.contains(char::is_whitespace) || host.contains('/') || !digits {
            return Err(wrong());
        }
        Ok(HostPort { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_printed() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:65535", "::1", 65535),
        ] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!(parsed, HostPort::new(host, port));
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":1",
            "::1:9092",
            "[::1]",
            "[::1]9092",
            "[host]:1",
            "h:65536",
            "h:-1",
            "h:+1",
            "a b:1",
            "x://h:1",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn lists_allow_blanks_but_must_not_be_empty() {
        let list = HostPort::parse_list(" a:1 ,b:2,, [::1]:3").unwrap();
        assert_eq!(list, [HostPort::new("a", 1), HostPort::new("b", 2), HostPort::new("::1", 3)]);
        assert!(HostPort::parse_list(" , ").is_err());
        assert!(HostPort::parse_list("a:1,b").is_err());
    }
}
