//! The names by which the admin API lets itself be called.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Names that mean this daemon. Addresses always do: a name that somebody else has made to lead here is none.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(BTreeSet<String>);

impl AllowedHosts {
    /// These names, loopback's and all addresses.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        AllowedHosts(names.into_iter().map(|name| plain(&name)).collect())
    }

    /// Whether the host of a `Host` header (without its port) is one of them.
    pub(crate) fn has(&self, host: &str) -> bool {
        let host = plain(host);
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok()
            || self.0.contains(&host)
    }
}

/// As names are compared: lower case, no dot at the end, no brackets.
fn plain(host: &str) -> String {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_daemon() {
        let hosts = AllowedHosts::new(["Gate.Example.".to_owned(), "gate-1".to_owned()]);
        for host in ["gate.example", "GATE-1", "gate-1.", "localhost", "a.localhost", "10.0.0.7", "[::1]"] {
            assert!(hosts.has(host), "{host}");
        }
        for host in
            ["", "evil.example", "gate.example.evil", "localhost.evil", "10.0.0.7.evil", "gate-1.evil"]
        {
            assert!(!hosts.has(host), "{host}");
        }
    }
}
