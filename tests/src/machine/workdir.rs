//! Directories of clusters and daemons, below `target/harness`. They are removed after success and kept after
//! a failure.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static SERIAL: AtomicU32 = AtomicU32::new(0);
static KEEP: AtomicBool = AtomicBool::new(false);

/// Keeps all directories and processes from now on, even when they are dropped (`--keep` of the demo).
pub fn keep_everything() {
    KEEP.store(true, Ordering::Relaxed);
}

/// Returns true if [`keep_everything`] was called.
#[must_use]
pub fn keeps_everything() -> bool {
    KEEP.load(Ordering::Relaxed)
}

/// Returns the workspace's target directory.
///
/// # Panics
/// Panics if the tests crate has no parent directory.
#[must_use]
pub fn target_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(dir);
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests crate lies in the workspace")
        .join("target")
}

/// Returns the cache directory, outside the target directory.
///
/// # Panics
/// Panics if none of LINKGATE_CACHE, XDG_CACHE_HOME and HOME is set.
#[must_use]
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("LINKGATE_CACHE") {
        return PathBuf::from(dir);
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"));
    base.join("linkgate")
}

/// A directory that is removed on drop, unless the thread is panicking or everything is kept.
#[derive(Debug)]
pub struct WorkDir(PathBuf);

impl WorkDir {
    /// Creates a new directory whose name ends with `name`.
    ///
    /// # Panics
    /// Panics if it cannot be created.
    #[must_use]
    pub fn new(name: &str) -> WorkDir {
        let base = target_dir().join("harness");
        prune(&base);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        WorkDir::at(base.join(format!("{}-{serial}-{name}", std::process::id())))
    }

    /// Creates the directory `path`, or empties it.
    ///
    /// # Panics
    /// Panics if it cannot be created.
    #[must_use]
    pub fn at(path: PathBuf) -> WorkDir {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("cannot create {}: {e}", path.display()));
        WorkDir(path)
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::fs::write(self.0.join("FAILED"), "kept for reading\n");
            eprintln!("logs and data are kept in {}", self.0.display());
        } else if !keeps_everything() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Removes directories of ended processes, except those of failures. Clusters that a whole test file shares
/// are never dropped, so they leave directories.
fn prune(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        let gone = !Path::new(&format!("/proc/{pid}")).exists();
        if gone && !entry.path().join("FAILED").exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
