//! `security.protocol`, `ssl.*` and `sasl.*` of one cluster, checked.

use std::sync::Arc;

use super::sasl::Sasl;
use crate::net::SecurityProtocol;
use crate::net::tls::{InvalidSetting, TlsClient, TlsSettings};

/// How the connections to a cluster are secured. Clones share loaded certificates and tokens. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Security {
    protocol: SecurityProtocol,
    tls: Option<TlsClient>,
    sasl: Option<Arc<Sasl>>,
    /// What is wrong, so that every connection fails with it.
    unusable: Option<Arc<str>>,
}

impl Security {
    /// Reads and checks the configs; files are opened when a connection is made, or by [`Security::check`]. What the
    /// protocol has no use for is not looked at. `what` names the cluster in the log.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn parse(
        what: &'static str,
        get: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Security, Vec<InvalidSetting>> {
        let protocol = match get("security.protocol").filter(|name| !name.trim().is_empty()) {
            None => SecurityProtocol::Plaintext,
            Some(name) => name
                .parse::<SecurityProtocol>()
                .map_err(|error| vec![InvalidSetting::new("security.protocol", error.to_string())])?,
        };
        let mut errors = Vec::new();
        let mut tls = None;
        if protocol.has_tls() {
            match TlsSettings::parse(get) {
                Ok(settings) => tls = Some(TlsClient::new(what, settings)),
                Err(wrong) => errors.extend(wrong),
            }
        }
        let mut sasl = None;
        if protocol.has_sasl() {
            match Sasl::parse(get) {
                Ok(settings) => sasl = Some(Arc::new(settings)),
                Err(wrong) => errors.push(wrong),
            }
        }
        if errors.is_empty() { Ok(Security { protocol, tls, sasl, unusable: None }) } else { Err(errors) }
    }

    /// For configs that were recorded and are not valid (an older version took them): connects to nobody, and says why.
    #[must_use]
    pub fn unusable(errors: Vec<InvalidSetting>) -> Security {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Security::barred(&all.join("; "))
    }

    /// Connects to nobody, and says why.
    #[must_use]
    pub fn barred(reason: &str) -> Security {
        Security { unusable: Some(reason.into()), ..Security::default() }
    }

    /// Why no connection can be made at all.
    pub(super) fn why_unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Reads keys and certificates. Reads files.
    ///
    /// # Errors
    /// They are wrong.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.tls.as_ref().map_or(Ok(()), TlsClient::check)
    }

    /// `security.protocol`.
    #[must_use]
    pub fn protocol(&self) -> SecurityProtocol {
        self.protocol
    }

    /// The TLS half.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsClient> {
        self.tls.as_ref()
    }

    pub(super) fn sasl(&self) -> Option<&Arc<Sasl>> {
        self.sasl.as_ref()
    }
}
