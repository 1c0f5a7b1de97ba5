//! Seals sensitive config values: XChaCha20-Poly1305 with a key file beside the journal.
//!
//! A sealed value is bound to its link and config name, so that it cannot be put in the place of another. The
//! key file is created with the journal and never again. Without it, the sealed values cannot be recovered;
//! that is intended.
//!
//! The table of link configs decides which values are *written* sealed. The values themselves tell which are
//! *read* as sealed. So a version with more, fewer or other secrets among its configs can open the journal.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use super::StoreError;
use super::files::{io, sync_dir};
use crate::model::{Change, HIDDEN, KafkaUuid, Link, link_config};

/// Name of the key file in the state directory.
pub(crate) const KEY_FILE: &str = "secret.key";
/// Name of a key whose journal does not exist yet.
pub(crate) const NEW_KEY_FILE: &str = "secret.key.new";
/// Name of a key while it is written. It is left behind if the process dies or the disk is full.
pub(crate) const PART_KEY_FILE: &str = "secret.key.part";
/// Size of a key, in bytes.
const KEY_LEN: usize = 32;
/// Size of a nonce, in bytes. Random nonces of this size do not repeat.
const NONCE_LEN: usize = 24;
/// Prefix of every sealed value, of any version.
const SEALED: &str = "sealed:v";
/// Prefix of the values that this version seals.
const PREFIX: &str = "sealed:v1:";
/// Prefix of a plain value that would otherwise be read as sealed or as prefixed.
const PLAIN: &str = "plain:v1:";

/// Cipher that seals and unseals values with one key.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// Creates a sealer with a key that is not stored, for stores that do not survive the process.
    pub(crate) fn ephemeral() -> Self {
        Sealer(XChaCha20Poly1305::new(&XChaCha20Poly1305::generate_key(&mut OsRng)))
    }

    /// Creates a sealer with a key that a test knows.
    #[cfg(test)]
    pub(crate) fn open_key(key: &[u8; KEY_LEN]) -> Self {
        Sealer(XChaCha20Poly1305::new(Key::from_slice(key)))
    }

    /// Writes a key for a journal that is about to be created. It is in force from [`Sealer::adopt_key`] on.
    pub(crate) fn prepare_key(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(NEW_KEY_FILE);
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        write_key(&path, &key)?;
        sync_dir(dir)
    }

    /// Renames a prepared key to its final name, once the journal exists. Does nothing if there is a key, or
    /// none is prepared.
    pub(crate) fn adopt_key(dir: &Path) -> Result<(), StoreError> {
        let (path, prepared) = (dir.join(KEY_FILE), dir.join(NEW_KEY_FILE));
        if path.exists() || !prepared.exists() {
            return Ok(());
        }
        fs::rename(&prepared, &path).map_err(io(&path))?;
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
            return Err(refuse(format!(
                "other users may read or write it (mode {mode:04o}); set its mode to 0600"
            )));
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        if bytes.len() != KEY_LEN {
            return Err(refuse(format!("it has {} bytes instead of {KEY_LEN}", bytes.len())));
        }
        Ok(Sealer(XChaCha20Poly1305::new(Key::from_slice(&bytes))))
    }

    /// Returns the change as its row holds it: sensitive values sealed, other values escaped if they look
    /// sealed.
    pub(crate) fn sealed(&self, change: &Change) -> Result<Change, StoreError> {
        let mut change = change.clone();
        if let Change::PutLink(link) = &mut change {
            self.seal_link(link)?;
        }
        Ok(change)
    }

    /// Seals the sensitive values of a link.
    pub(crate) fn seal_link(&self, link: &mut Link) -> Result<(), StoreError> {
        for (name, value) in &mut link.configs {
            if link_config::is_sensitive(name) {
                *value = self.seal(&place(link.id, name), value)?;
            } else {
                escape(value);
            }
        }
        Ok(())
    }

    /// Unseals the sealed values of a link. Returns true if a value was in the clear that would be sealed
    /// today.
    pub(crate) fn unseal_link(&self, link: &mut Link) -> Result<bool, StoreError> {
        let mut bare = false;
        for (name, value) in &mut link.configs {
            if value.starts_with(SEALED) {
                *value = self.unseal(&place(link.id, name), value)?;
                continue;
            }
            bare |= link_config::is_sensitive(name);
            if let Some(plain) = value.strip_prefix(PLAIN) {
                *value = plain.to_owned();
            }
        }
        Ok(bare)
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
        let wrong = || StoreError::Corrupt(format!("{aad} cannot be unsealed with this {KEY_FILE}"));
        let Some(text) = text.strip_prefix(PREFIX) else {
            let what = format!("{aad} is sealed in a way that this version does not know");
            return Err(StoreError::NewerRow(what));
        };
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let payload = Payload { msg: sealed, aad: aad.as_bytes() };
        let value = self.0.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(value).map_err(|_| wrong())
    }
}

/// Returns the text that a sealed value is bound to.
fn place(link: KafkaUuid, name: &str) -> String {
    format!("{link}/{name}")
}

/// Returns the change as a journal record holds it, without secrets. A secret is only in the row of its link,
/// so that it disappears when it is replaced or its link is deleted.
pub(crate) fn hidden(change: &Change) -> Change {
    let mut change = change.clone();
    if let Change::PutLink(link) = &mut change {
        link.hide_secrets();
        link.configs.values_mut().for_each(escape);
    }
    change
}

/// Decodes the configs of a link in a record. Leaves out sealed values, which records of an earlier version
/// hold.
pub(crate) fn unhide(link: &mut Link) {
    link.hide_secrets();
    for value in link.configs.values_mut() {
        if value.starts_with(SEALED) {
            HIDDEN.clone_into(value);
        } else if let Some(plain) = value.strip_prefix(PLAIN) {
            *value = plain.to_owned();
        }
    }
}

/// Marks a plain value as plain if it looks sealed or marked.
fn escape(value: &mut String) {
    if value.starts_with(SEALED) || value.starts_with(PLAIN) {
        value.insert_str(0, PLAIN);
    }
}

/// Returns true if the bytes of a record hold a sealed value, like records of an earlier version.
pub(crate) fn mentions_sealed(bytes: &[u8]) -> bool {
    // A sealed value at the beginning of a JSON string.
    const IN_JSON: &[u8] = b"\"sealed:v1:";
    bytes.windows(IN_JSON.len()).any(|window| window == IN_JSON)
}

/// Writes a key file. It appears complete or not at all.
pub(crate) fn write_key(path: &Path, key: &[u8]) -> Result<(), StoreError> {
    let part = path.with_extension("part");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        // An existing file keeps its mode when it is opened.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn a_sealed_value_opens_only_in_its_own_place_and_with_its_own_key() {
        let (sealer, other) = (Sealer::ephemeral(), Sealer::ephemeral());
        let sealed = sealer.seal("id/sasl.jaas.config", "password=\"s3cret\"").unwrap();
        assert!(!sealed.contains("s3cret"));
        assert_eq!(sealer.unseal("id/sasl.jaas.config", &sealed).unwrap(), "password=\"s3cret\"");
        assert!(sealer.unseal("id/ssl.key.password", &sealed).is_err());
        assert!(other.unseal("id/sasl.jaas.config", &sealed).is_err());
        for broken in ["sealed:v1:", "sealed:v1:AAAA", "sealed:v1:%"] {
            let error = sealer.unseal("id/sasl.jaas.config", broken).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{broken}");
        }
        let newer = sealer.unseal("id/sasl.jaas.config", "sealed:v2:AAAA").unwrap_err();
        assert!(matches!(newer, StoreError::NewerRow(_)));
        assert_ne!(sealed, sealer.seal("id/sasl.jaas.config", "password=\"s3cret\"").unwrap());
    }

    fn stored(sealer: &Sealer, link: &Link) -> Link {
        let mut stored = link.clone();
        sealer.seal_link(&mut stored).unwrap();
        stored
    }

    #[test]
    fn plain_values_that_look_sealed_are_not_unsealed() {
        let sealer = Sealer::ephemeral();
        let mut link = sample::link("dr");
        // Plain values that look sealed or escaped are not changed.
        for value in ["sealed:v1:x", "sealed:v2:x", "plain:v1:x", "plain:v1:sealed:v1:x", "sealed", ""] {
            for name in ["local.listener.name", "sasl.jaas.config", "a.config.of.tomorrow"] {
                drop(link.configs.insert(name.into(), value.into()));
            }
            let mut read = stored(&sealer, &link);
            assert!(!sealer.unseal_link(&mut read).unwrap());
            assert_eq!(read, link);
        }
    }

    #[test]
    fn a_secret_in_the_clear_is_read_and_reported() {
        let sealer = Sealer::ephemeral();
        for name in ["sasl.jaas.config", "a.config.of.tomorrow"] {
            let mut link = sample::link("dr");
            drop(link.configs.insert(name.into(), "5".into()));
            assert!(sealer.unseal_link(&mut link).unwrap(), "{name}");
            assert_eq!(link.configs[name], "5");
        }
    }

    #[test]
    fn a_sealed_value_of_a_config_that_is_not_sensitive_is_unsealed() {
        let sealer = Sealer::ephemeral();
        let mut link = sample::link("dr");
        let sealed = sealer.seal(&place(link.id, "local.listener.name"), "x").unwrap();
        drop(link.configs.insert("local.listener.name".into(), sealed));
        assert!(!sealer.unseal_link(&mut link).unwrap());
        assert_eq!(link.configs["local.listener.name"], "x");
    }

    #[test]
    fn a_record_holds_no_secret_not_even_a_sealed_one() {
        let sealer = Sealer::ephemeral();
        let mut link = sample::link("dr");
        drop(link.configs.insert("sasl.jaas.config".into(), "s3cret".into()));
        drop(link.configs.insert("bootstrap.servers".into(), "src:9092".into()));
        drop(link.configs.insert("local.listener.name".into(), "sealed:v1:not a secret".into()));
        let of_an_earlier_version = stored(&sealer, &link);
        let Change::PutLink(of_today) = hidden(&Change::PutLink(link)) else { panic!("still a link") };
        assert_eq!(of_today.configs["sasl.jaas.config"], HIDDEN);
        for mut record in [of_an_earlier_version, of_today] {
            unhide(&mut record);
            assert_eq!(record.configs["sasl.jaas.config"], HIDDEN);
            assert_eq!(record.configs["bootstrap.servers"], "src:9092");
            assert_eq!(record.configs["local.listener.name"], "sealed:v1:not a secret");
        }
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Sealer::prepare_key(dir.path()).unwrap();
        assert!(matches!(Sealer::open(dir.path()), Err(StoreError::KeyFile { .. })));
        Sealer::adopt_key(dir.path()).unwrap();
        assert!(Sealer::open(dir.path()).is_ok());
        let path = dir.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Sealer::open(dir.path()), Err(StoreError::KeyFile { .. })), "{mode:o}");
        }
    }
}
