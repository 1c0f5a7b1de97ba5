//! Location and retention of the journal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use state::store::{Retention, StoreOptions};

use crate::config::ConfigReader;

/// State directory that a package installs.
const INSTALLED: &str = "/var/lib/linkgate";
/// State directory without a package, relative to the working directory.
const BESIDE: &str = "linkgate-state";
/// Minimum size of the history, in bytes. The largest records fit into it, so the latest changes can always
/// be read.
const LEAST_BYTES: usize = 1 << 20;

impl ConfigReader {
    pub(crate) fn journal(&mut self) -> StoreOptions {
        let dir = self.text("state.dir").map(|(_, value)| PathBuf::from(value));
        let defaults = Retention::default();
        StoreOptions {
            dir: dir.unwrap_or_else(|| default_dir(Path::new(INSTALLED))),
            create: self.parsed("state.create").unwrap_or(true),
            retention: Retention {
                age: self.retention_age(defaults.age),
                bytes: self.number("journal.retention.bytes", LEAST_BYTES) as u64,
            },
            backup_dir: self.text("journal.backup.dir").map(|(_, value)| PathBuf::from(value)),
        }
    }

    /// Reads `journal.retention.ms`. As in Kafka's `log.retention.ms`, -1 means for ever.
    fn retention_age(&mut self, default: Option<Duration>) -> Option<Duration> {
        let Some((place, value)) = self.text("journal.retention.ms") else { return default };
        match value.parse::<i64>() {
            Ok(-1) => None,
            Ok(ms) if ms > 0 => Some(Duration::from_millis(ms.unsigned_abs())),
            _ => {
                self.errors.push(format!(
                    "{place}: journal.retention.ms={value}: expected milliseconds, or -1 to keep all records"
                ));
                default
            }
        }
    }
}

/// Returns the package's directory if anything exists at that path, usable or not. A start with another
/// directory would begin an empty journal, and that opens all mirror topics for writes.
fn default_dir(installed: &Path) -> PathBuf {
    match installed.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => PathBuf::from(BESIDE),
        _ => installed.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_installed_directory_is_used_if_its_path_exists_usable_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let installed = dir.path().join("linkgate");
        assert_eq!(default_dir(&installed), Path::new(BESIDE));
        fs::create_dir(&installed).unwrap();
        assert_eq!(default_dir(&installed), installed);
        // Paths into which not even root can write a file: a dangling link, a file, a path below a file.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("gone"), &link).unwrap();
        assert_eq!(default_dir(&link), link);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(default_dir(&file), file);
        assert_eq!(default_dir(&file.join("below")), file.join("below"));
    }
}
