//! Sealing of sensitive config values: XChaCha20-Poly1305 with a key file beside the journal.
//!
//! A sealed value is bound to its link and config name, so that one cannot be put in another's place. The key file is
//! created at the first open and never again: without it, sealed values are lost on purpose.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use super::StoreError;
use super::rocks::{io, sync_dir};
use crate::model::{Change, Link, link_config};

/// Name of the key file in the state directory.
pub(crate) const KEY_FILE: &str = "secret.key";
/// Bytes of a key.
const KEY_LEN: usize = 32;
/// Bytes of a nonce; random ones do not repeat at this length.
const NONCE_LEN: usize = 24;
/// How a sealed value begins.
const PREFIX: &str = "sealed:v1:";

/// Seals and unseals.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// With a key that nobody keeps, for stores that do not survive either.
    pub(crate) fn ephemeral() -> Self {
        Sealer(XChaCha20Poly1305::new(&XChaCha20Poly1305::generate_key(&mut OsRng)))
    }

    /// Writes a new key file; it appears whole or not at all.
    pub(crate) fn create_key(dir: &Path) -> Result<(), StoreError> {
        let (path, part) = (dir.join(KEY_FILE), dir.join("secret.key.part"));
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            // A file that was there already keeps its mode.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(&key)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(io(&path))?;
        sync_dir(dir)
    }

    /// Reads the key file of a state directory.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(KEY_FILE);
        let refuse = |what: String| StoreError::KeyFile { path: path.clone(), what };
        let mode = match fs::metadata(&path) {
            Ok(found) => found.permissions().mode() & 0o777,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refuse(
                    "it is missing, and the journal needs it; restore it from a backup".into(),
                ));
            }
            Err(error) => return Err(io(&path)(error)),
        };
        if mode & 0o077 != 0 {
            return Err(refuse(format!("others may read or write it (mode {mode:04o}); make it 0600")));
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        if bytes.len() != KEY_LEN {
            return Err(refuse(format!("it has {} bytes instead of {KEY_LEN}", bytes.len())));
        }
        Ok(Sealer(XChaCha20Poly1305::new(Key::from_slice(&bytes))))
    }

    /// The change with its sensitive values sealed.
    pub(crate) fn sealed(&self, change: &Change) -> Result<Change, StoreError> {
        let mut change = change.clone();
        if let Change::PutLink(link) = &mut change {
            self.each_sensitive(link, |aad, value| self.seal(aad, value))?;
        }
        Ok(change)
    }

    /// Opens the sensitive values of a change.
    pub(crate) fn unseal_change(&self, change: &mut Change) -> Result<(), StoreError> {
        match change {
            Change::PutLink(link) => self.unseal_link(link),
            Change::RemoveLink(_) | Change::PutMirror(_) | Change::RemoveMirror(_) => Ok(()),
        }
    }

    /// Opens the sensitive values of a link.
    pub(crate) fn unseal_link(&self, link: &mut Link) -> Result<(), StoreError> {
        self.each_sensitive(link, |aad, value| self.unseal(aad, value))
    }

    fn each_sensitive(
        &self,
        link: &mut Link,
        turn: impl Fn(&str, &str) -> Result<String, StoreError>,
    ) -> Result<(), StoreError> {
        for (name, value) in &mut link.configs {
            if link_config::is_sensitive(name) {
                *value = turn(&format!("{}/{name}", link.id), value)?;
            }
        }
        Ok(())
    }

    fn seal(&self, aad: &str, value: &str) -> Result<String, StoreError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: value.as_bytes(), aad: aad.as_bytes() };
        let sealed = self.0.encrypt(&nonce, payload);
        let sealed = sealed.map_err(|_| StoreError::Corrupt(format!("{aad} cannot be sealed")))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(bytes)))
    }

    fn unseal(&self, aad: &str, text: &str) -> Result<String, StoreError> {
        let wrong = || StoreError::Corrupt(format!("{aad} does not open with this {KEY_FILE}"));
        let bytes =
            STANDARD_NO_PAD.decode(text.strip_prefix(PREFIX).ok_or_else(wrong)?).map_err(|_| wrong())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let payload = Payload { msg: sealed, aad: aad.as_bytes() };
        let value = self.0.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(value).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_own_place_and_with_its_own_key() {
        let (sealer, other) = (Sealer::ephemeral(), Sealer::ephemeral());
        let sealed = sealer.seal("id/sasl.jaas.config", "password=\"s3cret\"").unwrap();
        assert!(!sealed.contains("s3cret"));
        assert_eq!(sealer.unseal("id/sasl.jaas.config", &sealed).unwrap(), "password=\"s3cret\"");
        assert!(sealer.unseal("id/ssl.key.password", &sealed).is_err());
        assert!(other.unseal("id/sasl.jaas.config", &sealed).is_err());
        for broken in ["", "plain", "sealed:v1:", "sealed:v1:AAAA", "sealed:v1:%"] {
            assert!(sealer.unseal("id/sasl.jaas.config", broken).is_err(), "{broken}");
        }
        assert_ne!(sealed, sealer.seal("id/sasl.jaas.config", "password=\"s3cret\"").unwrap());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Sealer::create_key(dir.path()).unwrap();
        assert!(Sealer::open(dir.path()).is_ok());
        let path = dir.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Sealer::open(dir.path()), Err(StoreError::KeyFile { .. })), "{mode:o}");
        }
    }
}
