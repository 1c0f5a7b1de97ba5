//! The state directory itself: whose it is, and whether a journal may be made in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::StoreError;
use super::rocks::{DATABASE, PREPARED, io, sync_dir};
use super::seal::{KEY_FILE, NEW_KEY_FILE, PART_KEY_FILE};

/// Mode of every directory that Linkgate makes.
const MODE: u32 = 0o700;
/// Others may write.
const WRITABLE: u32 = 0o022;

/// [`check`] and [`close`].
///
/// # Errors
/// [`StoreError::Unsafe`], or the file system refuses.
pub(crate) fn claim(dir: &Path) -> Result<(), StoreError> {
    check(dir)?;
    close(dir)
}

/// Sees to it that nobody else may read a directory of Linkgate's own.
///
/// # Errors
/// The file system refuses.
pub(crate) fn close(dir: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(dir).map_err(io(dir))?.permissions().mode() & 0o777;
    if mode != MODE {
        fs::set_permissions(dir, Permissions::from_mode(MODE)).map_err(io(dir))?;
    }
    Ok(())
}

/// Makes a directory, with those above that are missing, and durable when this returns. One that is there must belong
/// to the user of this process, and nobody else may write to it. It is not changed: it may be none of Linkgate's.
///
/// # Errors
/// [`StoreError::Unsafe`], or the file system refuses.
pub(crate) fn check(dir: &Path) -> Result<(), StoreError> {
    make(dir)?;
    let refuse = |what: String| Err(StoreError::Unsafe { path: dir.to_path_buf(), what });
    let found = fs::metadata(dir).map_err(io(dir))?;
    let (owner, mode) = (found.uid(), found.permissions().mode() & 0o7777);
    let ours = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return refuse("it is no directory".into());
    }
    if owner != ours {
        return refuse(format!(
            "it belongs to user {owner}, and this process runs as user {ours}; run Linkgate as the owner, or \
             give it another directory"
        ));
    }
    if mode & WRITABLE != 0 {
        return refuse(format!(
            "others may write to it (mode {mode:04o}); see that nobody has put anything there, then make it 0700"
        ));
    }
    Ok(())
}

/// Makes what is missing of a path.
fn make(dir: &Path) -> Result<(), StoreError> {
    if dir.try_exists().map_err(io(dir))? {
        return Ok(());
    }
    // An empty parent is that of a relative path of one component: the working directory.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(parent)?;
    match DirBuilder::new().mode(MODE).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(io(dir)(error)),
        _ => {}
    }
    sync_dir(parent)
}

/// Whether a journal may be made in `dir`, which has none: only where nothing says that there was one.
///
/// # Errors
/// [`StoreError::Missing`], naming what is there.
pub(crate) fn may_be_made(dir: &Path) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::Missing { dir: dir.to_path_buf(), what });
    if dir.join(KEY_FILE).exists() {
        return refuse(format!(
            "{KEY_FILE} is there, so there was one; restore {DATABASE}/ from a backup (docs/operations.md)"
        ));
    }
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let name = entry.map_err(io(dir))?.file_name();
        let is_harmless = is_harmless(&name);
        let name = name.to_string_lossy();
        // What a first start leaves that was cut off.
        if !is_harmless && ![PREPARED, NEW_KEY_FILE, PART_KEY_FILE].contains(&name.as_ref()) {
            return refuse(format!(
                "one is made only in an empty directory, and '{name}' is there; restore the journal from a backup, \
                 or give state.dir a directory of its own"
            ));
        }
    }
    Ok(())
}

/// Whether it says nothing of whose a directory is: what a new file system has, and what a home directory has.
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
    fn a_directory_that_others_may_write_is_refused_and_one_they_may_read_is_closed() {
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
    fn a_directory_that_holds_something_else_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("passwd"), "").unwrap();
        let error = super::super::Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let other = rustix::process::geteuid().as_raw() + 1;
        if std::os::unix::fs::chown(dir.path(), Some(other), None).is_err() {
            // Only root can give a directory away; for others, that of root will do.
            let error = claim(Path::new("/")).unwrap_err();
            assert!(matches!(error, StoreError::Unsafe { .. }), "{error}");
            return;
        }
        let error = claim(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("belongs to user {other}")), "{error}");
    }

    #[test]
    fn a_file_is_no_state_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(claim(file.path()), Err(StoreError::Unsafe { .. })));
        assert!(matches!(claim(&file.path().join("below")), Err(StoreError::Io { .. })));
    }

    #[test]
    fn a_journal_is_made_only_where_nothing_says_that_there_was_one() {
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
