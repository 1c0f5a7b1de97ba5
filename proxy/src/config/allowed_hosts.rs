//! The host names under which the admin API may be called.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Allowed host names. IP addresses are always allowed. A name that an attacker resolves to this machine (DNS
/// rebinding) is not.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(BTreeSet<String>);

impl AllowedHosts {
    /// Allows these names, in addition to those of loopback and to all IP addresses.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        AllowedHosts(names.into_iter().map(|name| plain(&name)).collect())
    }

    /// Returns true if the host of a `Host` header (without its port) is allowed.
    pub(crate) fn has(&self, host: &str) -> bool {
        let host = plain(host);
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok()
            || self.0.contains(&host)
    }
}

/// Brings a name into the form for comparison: lower case, without a final dot and without brackets.
fn plain(host: &str) -> String {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_and_all_ip_addresses_are_allowed() {
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
