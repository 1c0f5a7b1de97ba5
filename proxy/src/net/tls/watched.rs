//! A value that is made of files, and made again when they change.

use parking_lot::Mutex;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use arc_swap::ArcSwapOption;

use crate::net::tls::invalid::InvalidSetting;

/// Minimum interval between two checks of a file.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// Result of a check of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileCheck {
    /// The files have not changed.
    Unchanged,
    /// The files changed, and the new value is in force.
    Reloaded,
    /// The files changed and are not valid. The earlier value stays in force.
    Failed(InvalidSetting),
}

/// Numbers of successful and failed reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReloadCounts {
    /// Number of successful reloads.
    pub reloaded: u64,
    /// Number of failed reloads.
    pub failed: u64,
}

/// Fingerprint of a file: mtime (seconds, nanoseconds), size and inode. It also changes if the file is
/// replaced, or if a link to it gets another target. `None` if the file cannot be read.
type Print = Option<(i64, i64, u64, u64)>;

struct Looked {
    at: Instant,
    prints: Vec<Print>,
}

type Load<T> = dyn Fn() -> Result<T, InvalidSetting> + Send + Sync;

/// A value that is made of files and kept up to date.
pub struct Watched<T> {
    what: &'static str,
    files: Vec<PathBuf>,
    load: Box<Load<T>>,
    current: ArcSwapOption<T>,
    looked: Mutex<Option<Looked>>,
    reloaded: AtomicU64,
    failed: AtomicU64,
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({} {:?})", self.what, self.files)
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Prepares a value that `load` makes of `files`. `what` names it in the log. Loads nothing yet.
    pub(crate) fn new(
        what: &'static str,
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, InvalidSetting> + Send + Sync + 'static,
    ) -> Self {
        Watched {
            what,
            files,
            load: Box::new(load),
            current: ArcSwapOption::empty(),
            looked: Mutex::default(),
            reloaded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Returns the value in force if its files were checked within the last [`CHECK_INTERVAL`]. Reads no file.
    pub(crate) fn fresh(&self) -> Option<Arc<T>> {
        // Another thread checks the files right now. Until it is done the value in force is recent enough.
        let is_fresh = match self.looked.try_lock() {
            Some(looked) => looked.as_ref().is_some_and(|looked| looked.at.elapsed() < CHECK_INTERVAL),
            None => true,
        };
        self.current().filter(|_| is_fresh || self.files.is_empty())
    }

    /// Checks the files and returns the value that is in force then. Reads files: do not call it on a thread
    /// that must not block.
    ///
    /// # Errors
    /// Fails if no value is in force yet and the files are not valid.
    pub(crate) fn load(&self) -> Result<Arc<T>, InvalidSetting> {
        match (self.refresh(), self.current()) {
            (_, Some(current)) => Ok(current),
            (FileCheck::Failed(error), None) => Err(error),
            // Does not happen: while no value is in force, a check either loads one or fails.
            (_, None) => (self.load)().map(Arc::new),
        }
    }

    /// Returns the value in force, if there is one.
    pub(crate) fn current(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Checks the files now and loads them if they changed. Reads files.
    pub fn refresh(&self) -> FileCheck {
        let mut looked = self.lock();
        // Taken before the load: the next check then sees a change that happens during the load.
        let prints: Vec<Print> = self.files.iter().map(|path| print_of(path)).collect();
        let is_first = self.current.load().is_none();
        let unchanged = looked.as_ref().is_some_and(|last| last.prints == prints);
        *looked = Some(Looked { at: Instant::now(), prints });
        if unchanged && !is_first {
            return FileCheck::Unchanged;
        }
        match (self.load)() {
            Ok(value) => {
                self.current.store(Some(Arc::new(value)));
                if is_first {
                    return FileCheck::Unchanged;
                }
                let _ = self.reloaded.fetch_add(1, Ordering::Relaxed);
                tracing::info!(what = self.what, files = ?self.files, "keys and certificates reloaded");
                FileCheck::Reloaded
            }
            Err(error) => {
                if !is_first {
                    let _ = self.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        what = self.what, %error,
                        "changed keys or certificates are wrong; the previous ones stay in force"
                    );
                }
                FileCheck::Failed(error)
            }
        }
    }

    /// Returns the numbers of successful and failed reloads. The first load does not count.
    #[must_use]
    pub fn counts(&self) -> ReloadCounts {
        ReloadCounts {
            reloaded: self.reloaded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Option<Looked>> {
        self.looked.lock()
    }
}

fn print_of(path: &Path) -> Print {
    let of = |found: Metadata| (found.mtime(), found.mtime_nsec(), found.len(), found.ino());
    std::fs::metadata(path).ok().map(of)
}
