//! Certificates for tests, created at run time.

use std::collections::BTreeMap;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::net::tls::TlsSettings;

/// A certificate authority for test peers.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, format!("test authority {}", fastrand::u64(..)));
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Returns the certificate of the authority. As a trust store it trusts all certificates that the
    /// authority issues.
    pub(crate) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Returns a key and a certificate chain for these names, in one PEM text.
    pub(crate) fn identity(&self, names: &[&str]) -> String {
        let (key, chain) = self.key_and_chain(names);
        format!("{key}{chain}")
    }

    pub(crate) fn key_and_chain(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (key.serialize_pem(), certificate.pem() + &self.pem())
    }
}

/// Parses TLS settings that must be valid.
pub(crate) fn settings(configs: &[(&str, &str)]) -> TlsSettings {
    parse(configs).unwrap()
}

pub(crate) fn parse(
    configs: &[(&str, &str)],
) -> Result<TlsSettings, Vec<crate::net::tls::invalid::InvalidSetting>> {
    let configs: BTreeMap<&str, &str> = configs.iter().copied().collect();
    TlsSettings::parse(&|name| configs.get(name).map(|value| (*value).to_owned()))
}

/// Replaces a file by a new one, so that its inode differs.
pub(crate) fn replace(path: &Path, text: &str) {
    let part = path.with_extension("part");
    std::fs::write(&part, text).unwrap();
    std::fs::rename(part, path).unwrap();
}
