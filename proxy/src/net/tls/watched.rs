//! Something made of files, made anew when they change.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::settings::InvalidSetting;

/// A file is looked at no more often than this.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What a look at the files found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing new.
    Unchanged,
    /// They changed and are in force.
    Reloaded,
    /// They changed and are wrong; what was in force before stays.
    Failed(InvalidSetting),
}

/// How often files were taken over, and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReloadCounts {
    /// Taken over.
    pub reloaded: u64,
    /// Refused.
    pub failed: u64,
}

/// Tells two states of a file apart: also when it was replaced, or a link to it points elsewhere.
type Print = Option<(i64, i64, u64, u64)>;

struct Looked {
    at: Instant,
    prints: Vec<Print>,
}

type Load<T> = dyn Fn() -> Result<T, InvalidSetting> + Send + Sync;

/// A value that files make.
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
    /// Something that `load` makes of `files`; `what` names it in the log. Nothing is loaded yet.
    pub(super) fn new(
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

    /// What is in force, when that was looked at some seconds ago at most. Reads no file.
    pub(super) fn fresh(&self) -> Option<Arc<T>> {
        // Whoever holds it is looking just now: what was in force before is good enough for others.
        let is_fresh = match self.looked.try_lock() {
            Ok(looked) => looked.as_ref().is_some_and(|looked| looked.at.elapsed() < LOOK_EVERY),
            Err(_) => true,
        };
        self.current().filter(|_| is_fresh || self.files.is_empty())
    }

    /// What is in force, after a look at the files. Reads files: not for a thread that must not wait.
    ///
    /// # Errors
    /// Nothing is in force yet and the files are wrong.
    pub(super) fn load(&self) -> Result<Arc<T>, InvalidSetting> {
        match (self.refresh(), self.current()) {
            (_, Some(current)) => Ok(current),
            (Refresh::Failed(error), None) => Err(error),
            // Not met: where nothing is in force, a look ends in one of the other two ways.
            (_, None) => (self.load)().map(Arc::new),
        }
    }

    /// What is in force, if anything is.
    pub(super) fn current(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Looks at the files now and takes them over when they changed. Reads files.
    pub fn refresh(&self) -> Refresh {
        let mut looked = self.lock();
        // Before loading: what changes while it is loaded is seen by the next look.
        let prints: Vec<Print> = self.files.iter().map(|path| print_of(path)).collect();
        let is_first = self.current.load().is_none();
        let unchanged = looked.as_ref().is_some_and(|last| last.prints == prints);
        *looked = Some(Looked { at: Instant::now(), prints });
        if unchanged && !is_first {
            return Refresh::Unchanged;
        }
        match (self.load)() {
            Ok(value) => {
                self.current.store(Some(Arc::new(value)));
                if is_first {
                    return Refresh::Unchanged;
                }
                let _ = self.reloaded.fetch_add(1, Ordering::Relaxed);
                tracing::info!(what = self.what, files = ?self.files, "keys and certificates reloaded");
                Refresh::Reloaded
            }
            Err(error) => {
                if !is_first {
                    let _ = self.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        what = self.what, %error,
                        "changed keys or certificates are wrong; those from before stay in force"
                    );
                }
                Refresh::Failed(error)
            }
        }
    }

    /// How often files were taken over, and refused, after the first time.
    #[must_use]
    pub fn counts(&self) -> ReloadCounts {
        ReloadCounts {
            reloaded: self.reloaded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Looked>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn print_of(path: &Path) -> Print {
    let of = |found: Metadata| (found.mtime(), found.mtime_nsec(), found.len(), found.ino());
    std::fs::metadata(path).ok().map(of)
}
