//! Consistent copies of the journal while it is in use.
//!
//! A backup is a state directory: `journal/`, and `secret.key`, which opens the sealed values in it. It gets
//! its name only when it is complete, on disk, and was opened successfully.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, TryLockError};

use super::files::{DATABASE, io, sync_dir};
use super::rocks::Rocks;
use super::seal::{self, Sealer};
use super::{Store, StoreError, codec, dir, schema};

/// Name of the backup directory below the state directory.
const DIRECTORY: &str = "backups";
/// Suffix of the name of an unfinished copy.
const PART: &str = ".part";
/// Maximum number of backups in a directory: they may share the disk with the journal.
const MOST: usize = 100;
/// Maximum length of a name, in bytes.
const LONGEST_NAME: usize = 80;

/// Target directory of the copies, and the state directory with the key. Only one copy is made at a time.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    state: PathBuf,
    backups: PathBuf,
    busy: Arc<Mutex<()>>,
}

/// Name of a backup: a single path component that is not hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupName(String);

/// Error for a text that cannot be the name of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a backup name has at most {LONGEST_NAME} letters, digits, '.', '_' or '-', and begins with a letter \
     or digit"
)]
pub struct ParseBackupNameError;

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Directory of the backup.
    pub path: PathBuf,
    /// Sequence of the last record in it.
    pub sequence: u64,
}

/// Reasons why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another backup is being made.
    #[error("another backup is being made; try again when it is done")]
    Busy,
    /// A backup of this name exists.
    #[error("a backup {} already exists", .0.display())]
    Exists(PathBuf),
    /// The directory has the maximum number of backups.
    #[error("{} holds {MOST} backups; remove those that are not needed any more", .0.display())]
    TooMany(PathBuf),
    /// It cannot be written, or the written copy cannot be read.
    #[error("the backup failed: {0}")]
    Failed(#[from] StoreError),
}

impl FromStr for BackupName {
    type Err = ParseBackupNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_good = text.len() <= LONGEST_NAME
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(legal)
            && !text.ends_with(PART);
        if is_good { Ok(BackupName(text.to_owned())) } else { Err(ParseBackupNameError) }
    }
}

impl BackupName {
    /// Returns the default name of a backup that is made at this time (milliseconds since the epoch).
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
        BackupName(time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string())
    }
}

impl Place {
    pub(crate) fn new(state: &Path, backups: Option<&Path>) -> Self {
        let backups = backups.map_or_else(|| state.join(DIRECTORY), Path::to_path_buf);
        Place { state: state.to_path_buf(), backups, busy: Arc::default() }
    }
}

impl Store {
    /// Makes a consistent copy of the journal and its key, in a new subdirectory of the backup directory.
    /// Transactions go on meanwhile.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn backup(&self, name: Option<BackupName>) -> Result<Backup, BackupError> {
        let store = self.clone();
        let name = name.unwrap_or_else(|| BackupName::at(super::writer::now_ms()));
        let made = tokio::task::spawn_blocking(move || store.backup_now(&name)).await;
        made.map_err(|_| StoreError::WriterGone)?
    }

    fn backup_now(&self, BackupName(name): &BackupName) -> Result<Backup, BackupError> {
        let backend = self.0.backend.as_ref().ok_or(StoreError::WriterGone)?;
        let Some(place) = &self.0.place else {
            return Err(StoreError::Database("a journal without a disk has no backups".into()).into());
        };
        let _alone = match place.busy.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(alone) => alone,
        };
        let others = claim(&place.backups)?;
        let (path, part) = (place.backups.join(name), place.backups.join(format!("{name}{PART}")));
        if path.exists() {
            return Err(BackupError::Exists(path));
        }
        let (parts, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| is_part(other));
        for left in parts {
            // Left by a process that died while it made the backup. The key is in it, so it is removed.
            fs::remove_dir_all(&left).map_err(io(&left))?;
        }
        if others.len() >= MOST {
            return Err(BackupError::TooMany(place.backups.clone()));
        }
        let made: Result<u64, StoreError> = (|| {
            dir::claim(&part)?;
            backend.copy(&part)?;
            let key = place.state.join(seal::KEY_FILE);
            seal::write_key(&part.join(seal::KEY_FILE), &fs::read(&key).map_err(io(&key))?)?;
            sync_dir(&part)?;
            let sequence = sequence_of(&part)?;
            fs::rename(&part, &path).map_err(io(&path))?;
            sync_dir(&place.backups)?;
            Ok(sequence)
        })();
        match made {
            Ok(sequence) => Ok(Backup { path, sequence }),
            Err(error) => {
                let _ = fs::remove_dir_all(&part);
                Err(BackupError::Failed(error))
            }
        }
    }
}

/// Creates the backup directory, and makes it accessible only to its owner. Refuses a directory with other
/// content, which other users may have to read. Returns the backups in it, including unfinished ones.
fn claim(backups: &Path) -> Result<Vec<PathBuf>, StoreError> {
    dir::check(backups)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(backups).map_err(io(backups))? {
        let entry = entry.map_err(io(backups))?;
        if dir::is_harmless(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        if !path.is_dir() || !(path.join(DATABASE).is_dir() || is_part(&path)) {
            let what = format!(
                "it holds {}, which is not a backup; give journal.backup.dir a directory of its own",
                path.display()
            );
            return Err(StoreError::Unsafe { path: backups.to_path_buf(), what });
        }
        found.push(path);
    }
    dir::close(backups)?;
    Ok(found)
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == PART.trim_start_matches('.'))
}

/// Returns the sequence of the last record in a copy. Reads the copy like a start does, so that damage is
/// found.
fn sequence_of(dir: &Path) -> Result<u64, StoreError> {
    let copy = Rocks::open_copy(dir)?;
    schema::check(&copy)?;
    Ok(codec::read(&copy, &Sealer::open(dir)?)?.view.sequence)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::model::{Change, sample};

    async fn put_link(store: &Store, name: &str) {
        let mut link = sample::link(name);
        drop(link.configs.insert("sasl.jaas.config".into(), format!("secret of {name}")));
        let changes = vec![Change::PutLink(link)];
        store.transact("test", "put", move |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_backup_is_a_state_directory_as_of_its_moment() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        put_link(&store, "first").await;
        let backup = store.backup(Some("before-upgrade".parse().unwrap())).await.unwrap();
        put_link(&store, "second").await;

        assert_eq!(backup.path, dir.path().join("backups/before-upgrade"));
        assert_eq!(backup.sequence, 1);
        for entry in fs::read_dir(backup.path.join("journal")).unwrap() {
            let found = entry.unwrap();
            assert_eq!(found.metadata().unwrap().nlink(), 1, "{found:?} is a file of its own");
        }
        let copy = Store::open(&backup.path).unwrap();
        assert_eq!(copy.view().links.keys().collect::<Vec<_>>(), ["first"]);
        assert_eq!(copy.view().links["first"].configs["sasl.jaas.config"], "secret of first");
        put_link(&copy, "another history").await;
        drop(copy);
        put_link(&store, "third").await;
        assert_eq!(store.view().links.keys().collect::<Vec<_>>(), ["first", "second", "third"]);
        drop(store);
        assert_eq!(Store::open(dir.path()).unwrap().view().links.len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_backup_during_writes_holds_a_whole_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            for index in 0..60 {
                put_link(&writer, &format!("link-{index:02}")).await;
            }
        });
        let mut backups = Vec::new();
        while !writing.is_finished() {
            let name = format!("b{}", backups.len()).parse().unwrap();
            match store.backup(Some(name)).await {
                Ok(backup) => backups.push(backup),
                Err(BackupError::TooMany(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        writing.await.unwrap();
        assert!(!backups.is_empty());
        for backup in backups {
            let copy = Store::open(&backup.path).unwrap();
            assert_eq!(copy.view().sequence, backup.sequence);
            assert_eq!(copy.view().links.len() as u64, backup.sequence);
        }
    }

    #[tokio::test]
    async fn a_name_is_used_once_and_unfinished_backups_are_removed() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = super::super::StoreOptions {
            backup_dir: Some(elsewhere.path().join("deep/down")),
            ..super::super::StoreOptions::new(dir.path())
        };
        let store = Store::open_with(&options).unwrap();
        fs::create_dir_all(elsewhere.path().join("deep/down/a.part/journal")).unwrap();
        let name: BackupName = "a".parse().unwrap();
        fs::create_dir_all(elsewhere.path().join("deep/down/other.part")).unwrap();
        let backup = store.backup(Some(name.clone())).await.unwrap();
        assert!(!elsewhere.path().join("deep/down/other.part").exists());
        assert_eq!(backup.path, elsewhere.path().join("deep/down/a"));
        assert!(matches!(store.backup(Some(name)).await, Err(BackupError::Exists(_))));
        for index in 1..MOST {
            fs::create_dir_all(elsewhere.path().join(format!("deep/down/x{index}/journal"))).unwrap();
        }
        assert!(matches!(store.backup(None).await, Err(BackupError::TooMany(_))));
    }

    #[tokio::test]
    async fn a_directory_with_foreign_files_takes_no_backup_and_is_not_changed() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = super::super::StoreOptions {
            backup_dir: Some(elsewhere.path().to_path_buf()),
            ..super::super::StoreOptions::new(dir.path())
        };
        let store = Store::open_with(&options).unwrap();
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(elsewhere.path().join("notes.txt"), "").unwrap();
        let error = store.backup(None).await.unwrap_err();
        assert!(error.to_string().contains("notes.txt"), "{error}");
        assert_eq!(fs::metadata(elsewhere.path()).unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_file(elsewhere.path().join("notes.txt")).unwrap();
        // As in the root directory of a separate volume.
        fs::create_dir(elsewhere.path().join("lost+found")).unwrap();
        let _ = store.backup(None).await.unwrap();
        assert_eq!(fs::metadata(elsewhere.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_name_cannot_lead_to_another_directory() {
        for bad in ["", ".", "..", "../x", "/x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\0", "x.part", "é"]
        {
            assert_eq!(bad.parse::<BackupName>(), Err(ParseBackupNameError), "{bad:?}");
        }
        assert!("x".repeat(LONGEST_NAME + 1).parse::<BackupName>().is_err());
        let now = BackupName::at(1_796_065_533_000).0;
        assert_eq!(now.parse::<BackupName>().unwrap().0, now);
    }
}
