//! Sealing of sensitive config values: XChaCha20-Poly1305 with a key file beside the journal.
//!
//! A sealed value is bound to its link and config name, so that one cannot be put in another's place. The key file is
//! created with the journal and never again: without it, sealed values are lost on purpose.
//!
//! Which values are *written* sealed is for the table of link configs to say. Which are *read* as sealed is told by the
//! values themselves: a version that knows more configs, or fewer, or other secrets among them opens the journal as well.

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
use crate::model::{Change, HIDDEN, KafkaUuid, Link, link_config};

/// Name of the key file in the state directory.
pub(crate) const KEY_FILE: &str = "secret.key";
/// Name of a key whose journal does not exist yet.
pub(crate) const NEW_KEY_FILE: &str = "secret.key.new";
/// What is left of that one when the process dies, or the disk is full, while it is written.
pub(crate) const PART_KEY_FILE: &str = "secret.key.part";
/// Bytes of a key.
const KEY_LEN: usize = 32;
/// Bytes of a nonce; random ones do not repeat at this length.
const NONCE_LEN: usize = 24;
/// How every sealed value begins, of whichever version.
const SEALED: &str = "sealed:v";
/// How a value begins that this version seals.
const PREFIX: &str = "sealed:v1:";
/// Put before a plain value that would be read as something else without it.
const PLAIN: &str = "plain:v1:";

/// Seals and unseals.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// With a key that nobody keeps, for stores that do not survive either.
    pub(crate) fn ephemeral() -> Self {
        Sealer(XChaCha20Poly1305::new(&XChaCha20Poly1305::generate_key(&mut OsRng)))
    }

    /// With a key that a test knows.
    #[cfg(test)]
    pub(crate) fn open_key(key: &[u8; KEY_LEN]) -> Self {
        Sealer(XChaCha20Poly1305::new(Key::from_slice(key)))
    }

    /// Writes a key for a journal that is about to be made. It counts from [`Sealer::adopt_key`] on.
    pub(crate) fn prepare_key(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(NEW_KEY_FILE);
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        write_key(&path, &key)?;
        sync_dir(dir)
    }

    /// Gives a prepared key its name, once the journal exists. Nothing happens when there is a key, or none is prepared.
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
            return Err(refuse(format!("others may read or write it (mode {mode:04o}); make it 0600")));
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        if bytes.len() != KEY_LEN {
            return Err(refuse(format!("it has {} bytes instead of {KEY_LEN}", bytes.len())));
        }
        Ok(Sealer(XChaCha20Poly1305::new(Key::from_slice(&bytes))))
    }

    /// The change as its row holds it: sensitive values sealed, others so that nobody takes them for sealed.
    pub(crate) fn sealed(&self, change: &Change) -> Result<Change, StoreError> {
        let mut change = change.clone();
        if let Change::PutLink(link) = &mut change {
            self.seal_link(link)?;
        }
        Ok(change)
    }

    /// Seals what is sensitive in a link.
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

    /// Opens what is sealed in a link. `true` when a value stood in the clear that would be sealed today.
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
        let wrong = || StoreError::Corrupt(format!("{aad} does not open with this {KEY_FILE}"));
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

/// What a sealed value is bound to.
fn place(link: KafkaUuid, name: &str) -> String {
    format!("{link}/{name}")
}

/// The change as a record of the journal holds it: secrets left out. A secret stands in its link's row and nowhere else,
/// so that it goes when it is replaced or its link is deleted.
pub(crate) fn hidden(change: &Change) -> Change {
    let mut change = change.clone();
    if let Change::PutLink(link) = &mut change {
        link.hide_secrets();
        link.configs.values_mut().for_each(escape);
    }
    change
}

/// Reads the configs of a link as a record holds them. Sealed values, which records of an earlier version hold, are left out.
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

/// Marks a plain value as such where it looks sealed, or marked.
fn escape(value: &mut String) {
    if value.starts_with(SEALED) || value.starts_with(PLAIN) {
        value.insert_str(0, PLAIN);
    }
}

/// Whether the bytes of a record hold a sealed value: records of an earlier version did.
pub(crate) fn mentions_sealed(bytes: &[u8]) -> bool {
    // As the beginning of a text in JSON.
    const IN_JSON: &[u8] = b"\"sealed:v1:";
    bytes.windows(IN_JSON.len()).any(|window| window == IN_JSON)
}

/// Writes a key file; it appears whole or not at all.
pub(crate) fn write_key(path: &Path, key: &[u8]) -> Result<(), StoreError> {
    let part = path.with_extension("part");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        // A file that was there already keeps its mode.
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
    fn a_value_says_by_itself_whether_it_is_sealed() {
        let sealer = Sealer::ephemeral();
        let mut link = sample::link("dr");
        // Plain values that look sealed, or escaped, stay what they are.
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
    fn what_stands_in_the_clear_under_the_name_of_a_secret_opens_and_is_told() {
        let sealer = Sealer::ephemeral();
        for name in ["sasl.jaas.config", "a.config.of.tomorrow"] {
            let mut link = sample::link("dr");
            drop(link.configs.insert(name.into(), "5".into()));
            assert!(sealer.unseal_link(&mut link).unwrap(), "{name}");
            assert_eq!(link.configs[name], "5");
        }
    }

    #[test]
    fn what_is_sealed_under_a_plain_name_opens() {
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
