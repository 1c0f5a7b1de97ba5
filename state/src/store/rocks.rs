//! The backend on RocksDB: no compression, every commit synced to its write-ahead log.
//!
//! A damaged write-ahead log makes opening fail instead of losing what lies behind the damage; only a torn tail (a
//! commit that nobody was told of) is dropped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::backend::{Backend, Row, Write};
use super::{StoreError, dir};

/// Name of the database directory below the state directory.
pub(crate) const DATABASE: &str = "journal";
/// Name under which a new database is prepared; a rename makes it appear whole or not at all.
pub(crate) const PREPARED: &str = "journal.new";

/// An open RocksDB; closed between two attempts to reopen it.
pub(crate) struct Rocks {
    dir: PathBuf,
    db: RwLock<Option<DB>>,
}

impl Rocks {
    /// Whether `dir` has a database already.
    ///
    /// # Errors
    /// The directory cannot be looked at: then nobody knows.
    pub(crate) fn exists(dir: &Path) -> Result<bool, StoreError> {
        let path = dir.join(DATABASE);
        path.try_exists().map_err(io(&path))
    }

    /// Makes an empty database with the given first rows, durable when this returns.
    pub(crate) fn create(dir: &Path, first: Vec<Write>) -> Result<(), StoreError> {
        let prepared = dir.join(PREPARED);
        if prepared.exists() {
            // Left by a process that died while it created the database: nobody was told that it exists.
            fs::remove_dir_all(&prepared).map_err(io(&prepared))?;
        }
        let mut options = options();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        let db = DB::open(&options, &prepared).map_err(|error| refused(dir, &error))?;
        let new = Rocks { dir: dir.to_path_buf(), db: RwLock::new(Some(db)) };
        new.commit(first)?;
        drop(new);
        let database = dir.join(DATABASE);
        fs::rename(&prepared, &database).map_err(io(&database))?;
        sync_dir(dir)
    }

    /// Opens a copy in `dir`, and changes nothing of it.
    pub(crate) fn open_copy(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let db = DB::open_for_read_only(&options(), &path, false).map_err(|error| refused(dir, &error))?;
        Ok(Rocks { dir: dir.to_path_buf(), db: RwLock::new(Some(db)) })
    }

    /// Opens the database of `dir`, which must exist.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = RwLock::new(Some(Self::database(dir)?));
        Ok(Rocks { dir: dir.to_path_buf(), db })
    }

    fn database(dir: &Path) -> Result<DB, StoreError> {
        let path = dir.join(DATABASE);
        if !path.join("CURRENT").is_file() {
            let what = "it has no CURRENT file; restore the directory from a backup or move it away".into();
            return Err(StoreError::Foreign { path, what });
        }
        dir::claim(&path)?;
        DB::open(&options(), &path).map_err(|error| refused(dir, &error))
    }
}

impl Backend for Rocks {
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(until);
        let start = IteratorMode::From(from, Direction::Forward);
        let mut rows = Vec::new();
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        for row in db.as_ref().ok_or_else(closed)?.iterator_opt(start, read).take(limit) {
            let (key, value) = row.map_err(|error| database(&error))?;
            rows.push((key.into_vec(), value.into_vec()));
        }
        Ok(rows)
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for write in writes {
            match write {
                Write::Put(key, value) => batch.put(key, value),
                Write::Delete(key) => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        db.as_ref().ok_or_else(closed)?.write_opt(batch, &options).map_err(|error| database(&error))
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // The lock of the directory goes with the old handle.
        drop(db.take());
        *db = Some(Self::database(&self.dir)?);
        Ok(())
    }

    fn sweep(&self) -> Result<(), StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(closed)?;
        // What a write-ahead log holds goes with the log, and that goes once its rows are in a table.
        db.flush().map_err(|error| database(&error))?;
        let mut compact = CompactOptions::default();
        compact.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &compact);
        Ok(())
    }

    fn copy(&self, into: &Path) -> Result<(), StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let checkpoint =
            Checkpoint::new(db.as_ref().ok_or_else(closed)?).map_err(|error| database(&error))?;
        let copy = into.join(DATABASE);
        checkpoint.create_checkpoint(&copy).map_err(|error| database(&error))?;
        unlink(&copy)
    }
}

/// Makes files of their own of those that a checkpoint has linked: what is overwritten, given away or damaged in a
/// copy must not be so in the journal.
fn unlink(copy: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(copy).map_err(io(copy))? {
        let path = entry.map_err(io(copy))?.path();
        if fs::metadata(&path).map_err(io(&path))?.nlink() > 1 {
            // RocksDB's own names end otherwise.
            let own = path.with_extension("own");
            let _ = fs::copy(&path, &own).map_err(io(&own))?;
            fs::File::open(&own).and_then(|file| file.sync_all()).map_err(io(&own))?;
            fs::rename(&own, &path).map_err(io(&path))?;
        }
    }
    sync_dir(copy)
}

fn closed() -> StoreError {
    StoreError::Database("it could not be opened again after a commit failed".into())
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_compression_type(DBCompressionType::None);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // The state is a few megabytes at most; RocksDB's own log need not be bigger.
    options.set_write_buffer_size(4 << 20);
    options.set_max_log_file_size(1 << 20);
    options.set_keep_log_file_num(4);
    options.set_max_background_jobs(2);
    options
}

fn refused(dir: &Path, error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    // Of this process, and of another (`LockFile` and `LockHelper` in RocksDB's env/fs_posix.cc). Anything else is
    // another trouble with the file, or with a path that has "lock" in its name.
    let is_held = text.contains("lock hold by current process")
        || text.contains("While lock file") && text.contains("Resource temporarily unavailable");
    if error.kind() == rocksdb::ErrorKind::IOError && is_held {
        return StoreError::Locked { dir: dir.to_path_buf() };
    }
    database(error)
}

fn database(error: &rocksdb::Error) -> StoreError {
    StoreError::Database(error.to_string())
}

/// Turns an I/O error into one that names the path.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = PathBuf::from(path);
    move |source| StoreError::Io { path, source }
}

/// Makes creations and renames in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_somebody_holds_is_told_as_one() {
        let dir = tempfile::tempdir().unwrap();
        Rocks::create(dir.path(), Vec::new()).unwrap();
        let open = Rocks::open(dir.path()).unwrap();
        assert!(matches!(Rocks::open(dir.path()), Err(StoreError::Locked { .. })));
        drop(open);
        // A lock file that cannot be opened, below a path that has the word in it.
        let (blocked, lock) = (dir.path().join("block"), dir.path().join("block/journal/LOCK"));
        fs::create_dir(&blocked).unwrap();
        Rocks::create(&blocked, Vec::new()).unwrap();
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        let Err(error) = Rocks::open(&blocked) else { panic!("opened") };
        assert!(matches!(&error, StoreError::Database(_)), "{error}");
    }
}
