//! Checks and creates the state directory: its owner and mode, and whether a journal may be created in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::StoreError;
use super::files::{DATABASE, PREPARED, io, sync_dir};
use super::seal::{KEY_FILE, NEW_KEY_FILE, PART_KEY_FILE};

/// Mode of every directory that Linkgate creates.
const MODE: u32 = 0o700;
/// Mode bits that allow others to write.
const WRITABLE: u32 = 0o022;

/// Calls [`check`], then [`close`].
///
/// # Errors
/// [`StoreError::Unsafe`], or an error of the file system.
pub(crate) fn claim(dir: &Path) -> Result<(), StoreError> {
    check(dir)?;
    close(dir)
}

/// Makes a directory of Linkgate accessible only to its owner.
///
/// # Errors
/// An error of the file system.
pub(crate) fn close(dir: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(dir).map_err(io(dir))?.permissions().mode() & 0o777;
    if mode != MODE {
        fs::set_permissions(dir, Permissions::from_mode(MODE)).map_err(io(dir))?;
    }
    Ok(())
}

/// Creates a directory and its missing parents, durably. An existing directory must belong to the user of
/// this process, and no other user may be able to write to it. It is not changed, since it may not be
/// Linkgate's.
///
/// # Errors
/// [`StoreError::Unsafe`], or an error of the file system.
pub(crate) fn check(dir: &Path) -> Result<(), StoreError> {
    make(dir)?;
    let refuse = |what: String| Err(StoreError::Unsafe { path: dir.to_path_buf(), what });
    let found = fs::metadata(dir).map_err(io(dir))?;
    let (owner, mode) = (found.uid(), found.permissions().mode() & 0o7777);
    let ours = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return refuse("it is not a directory".into());
    }
    if owner != ours {
        return refuse(format!(
            "it belongs to user {owner}, and this process runs as user {ours}; run Linkgate as the owner, or \
             give it another directory"
        ));
    }
    if mode & WRITABLE != 0 {
        return refuse(format!(
            "other users may write to it (mode {mode:04o}); check that nobody has put anything there, then \
             set its mode to 0700"
        ));
    }
    Ok(())
}

/// Creates the missing directories of a path, durably.
fn make(dir: &Path) -> Result<(), StoreError> {
    if dir.try_exists().map_err(io(dir))? {
        return Ok(());
    }
    // An empty parent means a relative path of one component, below the working directory.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(parent)?;
    match DirBuilder::new().mode(MODE).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(io(dir)(error)),
        _ => {}
    }
    sync_dir(parent)
}

/// Checks that a journal may be created in `dir`, which has none. It may if nothing indicates that there was
/// one.
///
/// # Errors
/// [`StoreError::Missing`], naming what was found.
pub(crate) fn may_be_made(dir: &Path) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::Missing { dir: dir.to_path_buf(), what });
    if dir.join(KEY_FILE).exists() {
        return refuse(format!(
            "{KEY_FILE} exists, so there was one; restore {DATABASE}/ from a backup (docs/operations.md)"
        ));
    }
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let name = entry.map_err(io(dir))?.file_name();
        let is_harmless = is_harmless(&name);
        let name = name.to_string_lossy();
        // Files of an interrupted first start are allowed.
        if !is_harmless && ![PREPARED, NEW_KEY_FILE, PART_KEY_FILE].contains(&name.as_ref()) {
            return refuse(format!(
                "a journal is created only in an empty directory, and '{name}' is there; restore the journal \
                 from a backup, or give state.dir a directory of its own"
            ));
        }
    }
    Ok(())
}

/// Returns true if an entry of this name does not show what a directory is used for: `lost+found` of a new
/// file system, and the hidden files of a home directory.
pub(crate) fn is_harmless(name: &OsStr) -> bool {
    name == "lost+found" || name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_directory_writable_by_others_is_refused_and_a_readable_one_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        for open in [0o777, 0o770, 0o702, 0o1777, 0o2775] {
            fs::set_permissions(dir.path(), Permissions::from_mode(open)).unwrap();
            let error = claim(dir.path()).unwrap_err();
            assert!(matches!(&error, StoreError::Unsafe { .. }), "{open:o}: {error}");
            assert_eq!(mode(dir.path()), open, "nothing is changed that somebody should look at");
        }
        for closed in [0o755, 0o750, 0o700] {
            fs::set_permissions(dir.path(), Permissions::from_mode(closed)).unwrap();
            claim(dir.path()).unwrap();
            assert_eq!(mode(dir.path()), 0o700);
        }
    }

    #[test]
    fn a_directory_with_foreign_files_is_refused_and_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("passwd"), "").unwrap();
        let error = super::super::Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let other = rustix::process::geteuid().as_raw() + 1;
        if std::os::unix::fs::chown(dir.path(), Some(other), None).is_err() {
            // Only root can give a directory to another user. Other users check a directory of root instead.
            let error = claim(Path::new("/")).unwrap_err();
            assert!(matches!(error, StoreError::Unsafe { .. }), "{error}");
            return;
        }
        let error = claim(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("belongs to user {other}")), "{error}");
    }

    #[test]
    fn a_file_is_not_a_state_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(claim(file.path()), Err(StoreError::Unsafe { .. })));
        assert!(matches!(claim(&file.path().join("below")), Err(StoreError::Io { .. })));
    }

    #[test]
    fn a_journal_is_created_only_if_nothing_indicates_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        for harmless in ["lost+found", "journal.new"] {
            fs::create_dir(dir.path().join(harmless)).unwrap();
        }
        for harmless in [".profile", NEW_KEY_FILE, PART_KEY_FILE] {
            fs::write(dir.path().join(harmless), "").unwrap();
        }
        may_be_made(dir.path()).unwrap();
        for telling in [KEY_FILE, "backups", "journal.old", "notes.txt"] {
            let path = dir.path().join(telling);
            fs::write(&path, "").unwrap();
            let error = may_be_made(dir.path()).unwrap_err();
            assert!(
                matches!(&error, StoreError::Missing { .. }) && error.to_string().contains(telling),
                "{error}"
            );
            fs::remove_file(path).unwrap();
        }
    }
}
