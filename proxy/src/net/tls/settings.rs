//! Kafka's `ssl.*` configs: parses and checks them without opening files.

use crate::net::tls::invalid::InvalidSetting;
use std::path::PathBuf;

use crate::net::Secret;
use crate::net::tls::suites::{self, Versions};

/// The values of a listener's `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Asks clients for no certificate.
    #[default]
    None,
    /// Asks for a certificate. Serves clients without one; refuses clients with a wrong one.
    Requested,
    /// Serves only clients with a certificate.
    Required,
}

/// A PEM text, or the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PemSource {
    /// The path of a file.
    File(PathBuf),
    /// The text itself.
    Inline(String),
}

/// Source of a private key and its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentitySource {
    /// One file with both.
    File(PathBuf),
    /// One text for each.
    Inline { key: Secret, chain: String },
}

/// The `ssl.*` configs of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub(crate) identity: Option<IdentitySource>,
    pub(crate) key_password: Option<Secret>,
    pub(crate) trust: Option<PemSource>,
    /// True if the name in the peer's certificate must match the host.
    pub(crate) verify_name: bool,
    pub(crate) versions: Versions,
    /// IANA names; empty for all.
    pub(crate) suites: Vec<String>,
    pub(crate) client_auth: ClientAuth,
}

/// Looks up a config: `None` if it is not set. An empty value is returned as it is.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl TlsSettings {
    /// Parses and checks the configs. An empty value counts as not set. The exception is
    /// `ssl.endpoint.identification.algorithm`: empty, it turns the check of host names off.
    ///
    /// # Errors
    /// Returns all errors.
    pub fn parse(get: Lookup<'_>) -> Result<TlsSettings, Vec<InvalidSetting>> {
        let mut errors = Vec::new();
        let text =
            |key: &str| get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mut keep = |error: InvalidSetting| errors.push(error);

        let key_password = text("ssl.key.password").map(Secret::new);
        let identity = identity(&text).map_err(&mut keep).ok().flatten();
        let trust = trust(&text).map_err(&mut keep).ok().flatten();
        let verify_name = match get("ssl.endpoint.identification.algorithm").as_deref().map(str::trim) {
            None => true,
            Some("") => false,
            Some(name) if name.eq_ignore_ascii_case("https") => true,
            Some(other) => {
                let reason = format!("'{other}' is neither https nor empty (names are not checked)");
                keep(InvalidSetting::new("ssl.endpoint.identification.algorithm", reason));
                true
            }
        };
        let versions = suites::versions(text("ssl.enabled.protocols"), text("ssl.protocol").as_deref())
            .map_err(&mut keep)
            .unwrap_or_default();
        let suites: Vec<String> = text("ssl.cipher.suites")
            .map(|names| {
                names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
            })
            .unwrap_or_default();
        if let Err(error) = suites::provider(&suites, versions) {
            keep(error);
        }
        let client_auth = match text("ssl.client.auth").as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("none") => ClientAuth::None,
            Some("requested") => ClientAuth::Requested,
            Some("required") => ClientAuth::Required,
            Some(other) => {
                let reason = format!("'{other}' is not one of required, requested, none");
                keep(InvalidSetting::new("ssl.client.auth", reason));
                ClientAuth::None
            }
        };
        let settings =
            TlsSettings { identity, key_password, trust, verify_name, versions, suites, client_auth };
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Returns `ssl.client.auth`.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }

    /// Returns the files that hold keys and certificates.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if let Some(IdentitySource::File(path)) = &self.identity {
            files.push(path.clone());
        }
        if let Some(PemSource::File(path)) = &self.trust {
            files.push(path.clone());
        }
        files
    }
}

/// Reads the key store configs by the rules of Kafka's `DefaultSslEngineFactory.createKeystore`.
fn identity(text: &dyn Fn(&str) -> Option<String>) -> Result<Option<IdentitySource>, InvalidSetting> {
    let location = text("ssl.keystore.location");
    let (key, chain) = (text("ssl.keystore.key"), text("ssl.keystore.certificate.chain"));
    if location.is_none() && key.is_none() && chain.is_none() {
        return Ok(None);
    }
    store_type("ssl.keystore.type", text, location.as_deref(), StoreKind::Key)?;
    if text("ssl.keystore.password").is_some() {
        let reason = "a PEM key store has no password of its own; set ssl.key.password for the key";
        return Err(InvalidSetting::new("ssl.keystore.password", reason));
    }
    match (location, key, chain) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let reason =
                "give either this, or ssl.keystore.key with ssl.keystore.certificate.chain, not both";
            Err(InvalidSetting::new("ssl.keystore.location", reason))
        }
        (Some(path), None, None) => Ok(Some(IdentitySource::File(PathBuf::from(path)))),
        (None, Some(key), Some(chain)) => Ok(Some(IdentitySource::Inline { key: Secret::new(key), chain })),
        (None, Some(_), None) => {
            let reason = "it must be set together with ssl.keystore.key";
            Err(InvalidSetting::new("ssl.keystore.certificate.chain", reason))
        }
        (None, None, _) => {
            let reason = "it must be set together with ssl.keystore.certificate.chain";
            Err(InvalidSetting::new("ssl.keystore.key", reason))
        }
    }
}

/// Reads the trust store configs by the rules of Kafka's `DefaultSslEngineFactory.createTruststore`.
fn trust(text: &dyn Fn(&str) -> Option<String>) -> Result<Option<PemSource>, InvalidSetting> {
    let (location, certificates) = (text("ssl.truststore.location"), text("ssl.truststore.certificates"));
    if location.is_none() && certificates.is_none() {
        return Ok(None);
    }
    store_type("ssl.truststore.type", text, location.as_deref(), StoreKind::Trust)?;
    if text("ssl.truststore.password").is_some() {
        let reason = "a PEM trust store has no password";
        return Err(InvalidSetting::new("ssl.truststore.password", reason));
    }
    match (location, certificates) {
        (Some(_), Some(_)) => {
            let reason = "give either this or ssl.truststore.certificates, not both";
            Err(InvalidSetting::new("ssl.truststore.location", reason))
        }
        (Some(path), None) => Ok(Some(PemSource::File(PathBuf::from(path)))),
        (None, certificates) => Ok(certificates.map(PemSource::Inline)),
    }
}

/// The store that a message is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Key,
    Trust,
}

/// Checks that the store type is PEM. Without a type, the content of the file decides later.
fn store_type(
    key: &'static str,
    text: &dyn Fn(&str) -> Option<String>,
    location: Option<&str>,
    store: StoreKind,
) -> Result<(), InvalidSetting> {
    match text(key) {
        None => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("PEM") => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("JKS") || name.eq_ignore_ascii_case("PKCS12") => {
            let is_jks = name.eq_ignore_ascii_case("JKS");
            Err(InvalidSetting::new(key, conversion(&name, location.unwrap_or("store"), store, is_jks)))
        }
        Some(name) => Err(InvalidSetting::new(key, format!("'{name}' is not supported; the type is PEM"))),
    }
}

/// Tells how to convert another store to PEM.
pub(crate) fn conversion(what: &str, path: &str, store: StoreKind, is_jks: bool) -> String {
    let (pem, part, setting) = match store {
        StoreKind::Key => ("keystore.pem", "-nodes", "ssl.keystore"),
        StoreKind::Trust => ("truststore.pem", "-nokeys", "ssl.truststore"),
    };
    let openssl = |file: &str| format!("openssl pkcs12 -in {file} {part} -out {pem}");
    let commands = if is_jks {
        let keytool = format!(
            "keytool -importkeystore -srckeystore {path} -destkeystore store.p12 -deststoretype PKCS12"
        );
        format!("{keytool} && {}", openssl("store.p12"))
    } else {
        openssl(path)
    };
    format!(
        "{what} stores are not supported; convert it with `{commands}`, then set {setting}.type=PEM and \
         {setting}.location to the new file, and remove {setting}.password"
    )
}
