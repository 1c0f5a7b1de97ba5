//! Where the journal is, and how it is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use state::store::{Retention, StoreOptions};

use super::Reader;

/// Where a package puts the state directory.
const INSTALLED: &str = "/var/lib/linkgate";
/// Where it is without a package: below the working directory.
const BESIDE: &str = "linkgate-state";
/// Least bytes of history: room for the largest records, so that what happened last can always be read.
const LEAST_BYTES: usize = 1 << 20;

impl Reader {
    pub(super) fn journal(&mut self) -> StoreOptions {
        let dir = self.text("state.dir").map(|(_, value)| PathBuf::from(value));
        let defaults = Retention::default();
        let bytes = usize::try_from(defaults.bytes).unwrap_or(usize::MAX);
        StoreOptions {
            dir: dir.unwrap_or_else(|| default_dir(Path::new(INSTALLED))),
            create: self.parsed("state.create").unwrap_or(true),
            retention: Retention {
                age: self.retention_age(defaults.age),
                bytes: self.number("journal.retention.bytes", bytes, LEAST_BYTES) as u64,
            },
            backup_dir: self.text("journal.backup.dir").map(|(_, value)| PathBuf::from(value)),
        }
    }

    /// As Kafka's `log.retention.ms`: -1 is for ever.
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

/// The package's directory wherever there is one, be it usable or not: a start elsewhere would be one with an empty journal,
/// which opens all mirror topics for writes.
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
    fn the_installed_directory_is_taken_wherever_it_is_there_usable_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let installed = dir.path().join("linkgate");
        assert_eq!(default_dir(&installed), Path::new(BESIDE));
        fs::create_dir(&installed).unwrap();
        assert_eq!(default_dir(&installed), installed);
        // Something that nobody can write a file into, not even root: a dangling link, a file, a path below a file.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("gone"), &link).unwrap();
        assert_eq!(default_dir(&link), link);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(default_dir(&file), file);
        assert_eq!(default_dir(&file.join("below")), file.join("below"));
    }
}
