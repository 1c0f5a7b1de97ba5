//! Reads key stores and trust stores.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::pem::{Section, sections};
use crate::net::tls::settings::{IdentitySource, PemSource, StoreKind, TlsSettings, conversion};
use crate::net::{Secret, bounded_file};

/// Maximum size of a store, in bytes. All trusted roots of an operating system are far smaller.
const MAX_FILE: u64 = 16 << 20;

const KEY_LOCATION: &str = "ssl.keystore.location";
const KEY: &str = "ssl.keystore.key";
const CHAIN: &str = "ssl.keystore.certificate.chain";
const KEY_PASSWORD: &str = "ssl.key.password";
const TRUST_LOCATION: &str = "ssl.truststore.location";
const TRUST: &str = "ssl.truststore.certificates";

/// A private key and its certificate chain, beginning with the leaf.
pub(crate) type KeyAndChain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the identity that the settings name; `None` if they name none.
pub(crate) fn identity(settings: &TlsSettings) -> Result<Option<KeyAndChain>, InvalidSetting> {
    let password = settings.key_password.as_ref();
    match &settings.identity {
        None => Ok(None),
        Some(IdentitySource::File(path)) => {
            let text = read(KEY_LOCATION, path, StoreKind::Key)?;
            let all = parsed(KEY_LOCATION, &text)?;
            Ok(Some((chain(KEY_LOCATION, &all)?, private_key(KEY_LOCATION, &all, password)?)))
        }
        Some(IdentitySource::Inline { key, chain: certificates }) => {
            let keys = parsed(KEY, key.reveal())?;
            let certificates = parsed(CHAIN, certificates)?;
            Ok(Some((chain(CHAIN, &certificates)?, private_key(KEY, &keys, password)?)))
        }
    }
}

/// Reads the certificates that the settings trust; `None` if the settings name none and the operating
/// system's apply.
pub(crate) fn trusted(settings: &TlsSettings) -> Result<Option<RootCertStore>, InvalidSetting> {
    let (key, text) = match &settings.trust {
        None => return Ok(None),
        Some(PemSource::File(path)) => (TRUST_LOCATION, read(TRUST_LOCATION, path, StoreKind::Trust)?),
        Some(PemSource::Inline(text)) => (TRUST, text.clone()),
    };
    let mut roots = RootCertStore::empty();
    for certificate in chain(key, &parsed(key, &text)?)? {
        roots
            .add(certificate)
            .map_err(|error| InvalidSetting::new(key, format!("a certificate cannot be trusted: {error}")))?;
    }
    Ok(Some(roots))
}

/// Loads the certificates that the operating system trusts.
pub(crate) fn system_roots() -> Result<RootCertStore, InvalidSetting> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = "it is not set, and the operating system has no trusted certificates either";
        return Err(InvalidSetting::new(TRUST_LOCATION, reason));
    }
    Ok(roots)
}

fn read(key: &'static str, path: &Path, store: StoreKind) -> Result<String, InvalidSetting> {
    let shown = path.display().to_string();
    let failed = |reason: String| InvalidSetting::new(key, reason);
    let bytes = bounded_file::read(path, MAX_FILE).map_err(|error| failed(format!("{shown}: {error}")))?;
    let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
    if is_pem {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let ends_with = |ending: &str| shown.to_ascii_lowercase().ends_with(ending);
    // The magic number of a Java key store. A PKCS12 store is a DER sequence (below).
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || ends_with(".jks") {
        return Err(failed(conversion("JKS", &shown, store, true)));
    }
    if bytes.starts_with(&[0x30, 0x82])
        || bytes.starts_with(&[0x30, 0x80])
        || ends_with(".p12")
        || ends_with(".pfx")
    {
        return Err(failed(conversion("PKCS12", &shown, store, false)));
    }
    Err(failed(format!("{shown} contains no PEM block")))
}

fn parsed(key: &'static str, text: &str) -> Result<Vec<Section>, InvalidSetting> {
    sections(text).map_err(|reason| InvalidSetting::new(key, reason))
}

fn chain(key: &'static str, all: &[Section]) -> Result<Vec<CertificateDer<'static>>, InvalidSetting> {
    let certificates: Vec<_> = all
        .iter()
        .filter(|section| {
            matches!(section.label.as_str(), "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE")
        })
        .map(|section| CertificateDer::from(section.der.clone()))
        .collect();
    if certificates.is_empty() {
        return Err(InvalidSetting::new(key, "it contains no certificate"));
    }
    Ok(certificates)
}

fn private_key(
    key: &'static str,
    all: &[Section],
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, InvalidSetting> {
    let mut keys = all.iter().filter(|section| section.label.ends_with("PRIVATE KEY"));
    let Some(first) = keys.next() else {
        return Err(InvalidSetting::new(key, "it contains no private key"));
    };
    if keys.next().is_some() {
        return Err(InvalidSetting::new(key, "it contains more than one private key"));
    }
    let der = first.der.clone();
    match first.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "ENCRYPTED PRIVATE KEY" => decrypted(&der, password),
        other => Err(InvalidSetting::new(key, format!("a key of the kind '{other}' is not supported"))),
    }
}

fn decrypted(der: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, InvalidSetting> {
    let failed = |reason: &str| InvalidSetting::new(KEY_PASSWORD, reason);
    let password =
        password.ok_or_else(|| failed("the private key is encrypted; its password must be set"))?;
    let other_cipher = "the private key is encrypted in a way that is not supported (PBES2 with AES is); \
                        convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`";
    let encrypted = pkcs8::EncryptedPrivateKeyInfo::try_from(der).map_err(|_| failed(other_cipher))?;
    if encrypted.encryption_algorithm.pbes2().is_none() {
        return Err(failed(other_cipher));
    }
    let document = encrypted.decrypt(password.reveal()).map_err(|error| {
        use pkcs8::pkcs5::Error;
        match error {
            pkcs8::Error::EncryptedPrivateKey(
                Error::UnsupportedAlgorithm { .. }
                | Error::AlgorithmParametersInvalid { .. }
                | Error::NoPbes1CryptSupport,
            ) => failed(other_cipher),
            // Wrong padding, or the decrypted text is not a key.
            _ => failed("it does not decrypt the private key"),
        }
    })?;
    Ok(PrivatePkcs8KeyDer::from(document.as_bytes().to_vec()).into())
}
