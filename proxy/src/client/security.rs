//! Checked `security.protocol`, `ssl.*` and `sasl.*` settings of one cluster.

use std::sync::Arc;

use crate::client::sasl::Sasl;
use crate::net::SecurityProtocol;
use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::{TlsClient, TlsSettings};

/// Security settings of the connections to a cluster. Clones share loaded certificates and tokens. `Debug`
/// shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Security {
    protocol: SecurityProtocol,
    tls: Option<TlsClient>,
    sasl: Option<Arc<Sasl>>,
    /// The reason why no connection can be made. Every attempt fails with it.
    unusable: Option<Arc<str>>,
}

impl Security {
    /// Parses and checks the configs. Ignores configs that the protocol does not use. Opens no files; that
    /// happens when a connection is made, or in [`Security::check`]. `what` names the cluster in the log.
    ///
    /// # Errors
    /// Returns all errors.
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

    /// Makes settings of recorded configs that are not valid, since an older version accepted them. Every
    /// connection attempt fails with these errors.
    #[must_use]
    pub fn unusable(errors: Vec<InvalidSetting>) -> Security {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Security::barred(&all.join("; "))
    }

    /// Makes settings with which every connection attempt fails for this reason.
    #[must_use]
    pub fn barred(reason: &str) -> Security {
        Security { unusable: Some(reason.into()), ..Security::default() }
    }

    /// Returns the reason why no connection can be made, if there is one.
    pub(crate) fn why_unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Loads keys and certificates. Reads files.
    ///
    /// # Errors
    /// Fails if they are not valid.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.tls.as_ref().map_or(Ok(()), TlsClient::check)
    }

    /// Returns `security.protocol`.
    #[must_use]
    pub fn protocol(&self) -> SecurityProtocol {
        self.protocol
    }

    /// Returns the TLS settings; `None` if the protocol has no TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsClient> {
        self.tls.as_ref()
    }

    pub(crate) fn sasl(&self) -> Option<&Arc<Sasl>> {
        self.sasl.as_ref()
    }
}
