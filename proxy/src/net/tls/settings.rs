//! The `ssl.*` configs of Kafka, checked for themselves; files are not opened here.

use std::path::PathBuf;

use super::suites::{self, Versions};
use crate::net::Secret;

/// What is wrong with one config. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidSetting {
    /// Kafka's name of it, without a prefix.
    pub key: &'static str,
    /// The rest of the sentence.
    pub reason: String,
}

impl InvalidSetting {
    pub(crate) fn new(key: &'static str, reason: impl Into<String>) -> Self {
        InvalidSetting { key, reason: reason.into() }
    }
}

/// `ssl.client.auth` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    None,
    /// One is asked for; a client without one is served, a wrong one is refused.
    Requested,
    /// Only clients with a certificate are served.
    Required,
}

/// A PEM text, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PemSource {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Inline(String),
}

/// A private key with its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdentitySource {
    /// Both in one file.
    File(PathBuf),
    /// Both as texts.
    Inline { key: Secret, chain: String },
}

/// The `ssl.*` configs of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub(super) identity: Option<IdentitySource>,
    pub(super) key_password: Option<Secret>,
    pub(super) trust: Option<PemSource>,
    /// Whether the name in the peer's certificate must be the one that was dialled.
    pub(super) verify_name: bool,
    pub(super) versions: Versions,
    /// IANA names; empty for all.
    pub(super) suites: Vec<String>,
    pub(super) client_auth: ClientAuth,
}

/// Value of a key: `None` when it is not set. An empty value is given as such.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl TlsSettings {
    /// Reads and checks the configs. A value that is empty counts as not set, but for
    /// `ssl.endpoint.identification.algorithm`, where it means that no name is checked.
    ///
    /// # Errors
    /// All that is wrong.
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
                let reason = format!("'{other}' is none of required, requested, none");
                keep(InvalidSetting::new("ssl.client.auth", reason));
                ClientAuth::None
            }
        };
        let settings =
            TlsSettings { identity, key_password, trust, verify_name, versions, suites, client_auth };
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// `ssl.client.auth`.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }

    /// Files that hold keys and certificates.
    pub(super) fn files(&self) -> Vec<PathBuf> {
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

/// As Kafka's `DefaultSslEngineFactory.createKeystore`.
fn identity(text: &dyn Fn(&str) -> Option<String>) -> Result<Option<IdentitySource>, InvalidSetting> {
    let location = text("ssl.keystore.location");
    let (key, chain) = (text("ssl.keystore.key"), text("ssl.keystore.certificate.chain"));
    if location.is_none() && key.is_none() && chain.is_none() {
        return Ok(None);
    }
    store_type("ssl.keystore.type", text, location.as_deref(), Store::Key)?;
    if text("ssl.keystore.password").is_some() {
        let reason = "a PEM key store has no password of its own; the key's is ssl.key.password";
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
            let reason = "it must be set beside ssl.keystore.key";
            Err(InvalidSetting::new("ssl.keystore.certificate.chain", reason))
        }
        (None, None, _) => {
            let reason = "it must be set beside ssl.keystore.certificate.chain";
            Err(InvalidSetting::new("ssl.keystore.key", reason))
        }
    }
}

/// As Kafka's `DefaultSslEngineFactory.createTruststore`.
fn trust(text: &dyn Fn(&str) -> Option<String>) -> Result<Option<PemSource>, InvalidSetting> {
    let (location, certificates) = (text("ssl.truststore.location"), text("ssl.truststore.certificates"));
    if location.is_none() && certificates.is_none() {
        return Ok(None);
    }
    store_type("ssl.truststore.type", text, location.as_deref(), Store::Trust)?;
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

/// Which store a message is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Key,
    Trust,
}

/// PEM is the only type; a type that is not given is judged by the file.
fn store_type(
    key: &'static str,
    text: &dyn Fn(&str) -> Option<String>,
    location: Option<&str>,
    store: Store,
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

/// How to make PEM of another store.
pub(super) fn conversion(what: &str, path: &str, store: Store, is_jks: bool) -> String {
    let (pem, part, setting) = match store {
        Store::Key => ("keystore.pem", "-nodes", "ssl.keystore"),
        Store::Trust => ("truststore.pem", "-nokeys", "ssl.truststore"),
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
        "{what} stores are not read; convert it with `{commands}`, then set {setting}.type=PEM and {setting}.location to the new file, and remove {setting}.password"
    )
}
