//! TLS versions and cipher suites under Kafka's names, which are those of Java and IANA.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SupportedProtocolVersion};

use crate::net::tls::invalid::InvalidSetting;

const ENABLED: &str = "ssl.enabled.protocols";

/// Enabled TLS versions; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    tls12: bool,
    tls13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Versions { tls12: true, tls13: true }
    }
}

impl Versions {
    /// Returns the versions as rustls takes them.
    pub(crate) fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        let both = [(self.tls13, &rustls::version::TLS13), (self.tls12, &rustls::version::TLS12)];
        both.into_iter().filter(|(enabled, _)| *enabled).map(|(_, version)| version).collect()
    }
}

/// Reads the TLS versions from `ssl.enabled.protocols`, or else from `ssl.protocol`.
pub(crate) fn versions(enabled: Option<String>, protocol: Option<&str>) -> Result<Versions, InvalidSetting> {
    let too_old = |key: &'static str, name: &str| {
        InvalidSetting::new(key, format!("'{name}' is not supported; TLSv1.2 and TLSv1.3 are"))
    };
    match protocol {
        None | Some("TLS" | "TLSv1.2" | "TLSv1.3") => {}
        Some(other) => return Err(too_old("ssl.protocol", other)),
    }
    let Some(enabled) = enabled else {
        return Ok(Versions { tls12: true, tls13: protocol != Some("TLSv1.2") });
    };
    let mut versions = Versions { tls12: false, tls13: false };
    for name in enabled.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "TLSv1.2" => versions.tls12 = true,
            "TLSv1.3" => versions.tls13 = true,
            other => return Err(too_old(ENABLED, other)),
        }
    }
    if versions.tls12 || versions.tls13 {
        Ok(versions)
    } else {
        Err(InvalidSetting::new(ENABLED, "at least one of TLSv1.2 and TLSv1.3 is needed"))
    }
}

/// Returns the ring provider, limited to the named cipher suites. An empty list means all.
pub(crate) fn provider(names: &[String], versions: Versions) -> Result<Arc<CryptoProvider>, InvalidSetting> {
    const KEY: &str = "ssl.cipher.suites";
    let mut provider = rustls::crypto::ring::default_provider();
    if names.is_empty() {
        return Ok(Arc::new(provider));
    }
    let known: Vec<String> = provider.cipher_suites.iter().map(|suite| iana(suite.suite())).collect();
    if let Some(other) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(InvalidSetting::new(KEY, format!("'{other}' is not supported; these are: {known}")));
    }
    provider.cipher_suites.retain(|suite| names.contains(&iana(suite.suite())));
    let fits = |version: &&SupportedProtocolVersion| {
        provider.cipher_suites.iter().any(|suite| suite.version().version == version.version)
    };
    // Like Java, a version without an enabled suite is left out silently. At least one version must remain.
    if versions.list().iter().any(fits) {
        Ok(Arc::new(provider))
    } else {
        Err(InvalidSetting::new(KEY, "none of them belongs to an enabled TLS version"))
    }
}

/// Returns the IANA name of a suite. rustls uses another prefix for the suites of TLS 1.3.
fn iana(suite: CipherSuite) -> String {
    suite.as_str().map_or_else(String::new, |name| name.replacen("TLS13_", "TLS_", 1))
}
