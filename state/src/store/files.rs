//! Names of the files of a state directory, and what makes their changes durable.

use std::fs;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Name of the database directory below the state directory.
pub(crate) const DATABASE: &str = "journal";

/// Name under which a new database is prepared. A rename makes it appear complete or not at all.
pub(crate) const PREPARED: &str = "journal.new";

/// Converts an I/O error to one that names the path.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = PathBuf::from(path);
    move |source| StoreError::Io { path, source }
}

/// Makes creations and renames in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))
}
