//! Generates certificates for a test, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate authority, and the directory for the files it writes.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    /// Creates an authority. Its own certificate is `ca.pem` in `dir`.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
    #[must_use]
    pub fn new(dir: &Path) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {}", fastrand::u64(..)));
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        std::fs::write(dir.join("ca.pem"), issuer.as_ref().pem()).expect("the work directory is writable");
        Authority { issuer, dir: dir.to_owned() }
    }

    /// Returns the path of the trust store: a file with the authority's certificate.
    #[must_use]
    pub fn trust(&self) -> String {
        self.dir.join("ca.pem").display().to_string()
    }

    /// Returns the authority's certificate as PEM text.
    #[must_use]
    pub fn trust_text(&self) -> String {
        self.issuer.as_ref().pem()
    }

    /// Issues a certificate for `name`. `name` is its common name; `name`, localhost and 127.0.0.1 are its
    /// alternative names. Returns the path of a file with key and chain. Another call with the same name
    /// replaces the file.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
    #[must_use]
    pub fn identity(&self, name: &str) -> String {
        let key = KeyPair::generate().expect("a key");
        let names = [name, "localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let text = format!("{}{}{}", key.serialize_pem(), certificate.pem(), self.issuer.as_ref().pem());
        let path = self.dir.join(format!("{name}.pem"));
        let part = path.with_extension("part");
        std::fs::write(&part, text).expect("the work directory is writable");
        std::fs::rename(&part, &path).expect("the work directory is writable");
        path.display().to_string()
    }
}
