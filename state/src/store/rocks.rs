//! The RocksDB backend: no compression, every commit synced to the write-ahead log.
//!
//! A damaged write-ahead log makes opening fail, so that records behind the damage are not lost silently.
//! Only a torn tail is dropped: a commit that was not acknowledged.

use parking_lot::RwLock;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::backend::{Backend, Row, Write};
use super::files::{DATABASE, PREPARED, io, sync_dir};
use super::{StoreError, dir};

/// An open RocksDB. It is closed after a failed attempt to reopen it.
pub(crate) struct Rocks {
    dir: PathBuf,
    db: RwLock<Option<DB>>,
}

impl Rocks {
    /// Returns true if `dir` has a database.
    ///
    /// # Errors
    /// Fails if the directory cannot be read: then the answer is unknown.
    pub(crate) fn exists(dir: &Path) -> Result<bool, StoreError> {
        let path = dir.join(DATABASE);
        path.try_exists().map_err(io(&path))
    }

    /// Creates an empty database with the given first rows. It is durable when this returns.
    pub(crate) fn create(dir: &Path, first: Vec<Write>) -> Result<(), StoreError> {
        let prepared = dir.join(PREPARED);
        if prepared.exists() {
            // Left by a process that died while it created the database. Its existence was not acknowledged.
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

    /// Opens a copy in `dir` read-only.
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
        let db = self.db.read();
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
        let db = self.db.read();
        db.as_ref().ok_or_else(closed)?.write_opt(batch, &options).map_err(|error| database(&error))
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write();
        // Dropping the old handle releases the lock of the directory.
        drop(db.take());
        *db = Some(Self::database(&self.dir)?);
        Ok(())
    }

    fn sweep(&self) -> Result<(), StoreError> {
        let db = self.db.read();
        let db = db.as_ref().ok_or_else(closed)?;
        // Values in a write-ahead log disappear with the log. It is deleted once its rows are in a table
        // file.
        db.flush().map_err(|error| database(&error))?;
        let mut compact = CompactOptions::default();
        compact.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &compact);
        Ok(())
    }

    fn copy(&self, into: &Path) -> Result<(), StoreError> {
        let db = self.db.read();
        let checkpoint =
            Checkpoint::new(db.as_ref().ok_or_else(closed)?).map_err(|error| database(&error))?;
        let copy = into.join(DATABASE);
        checkpoint.create_checkpoint(&copy).map_err(|error| database(&error))?;
        unlink(&copy)
    }
}

/// Replaces the files that a checkpoint hard-linked by copies: a write, a change of owner, or damage in the
/// copy must not affect the journal.
fn unlink(copy: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(copy).map_err(io(copy))? {
        let path = entry.map_err(io(copy))?.path();
        if fs::metadata(&path).map_err(io(&path))?.nlink() > 1 {
            // RocksDB does not use this extension.
            let own = path.with_extension("own");
            let _ = fs::copy(&path, &own).map_err(io(&own))?;
            fs::File::open(&own).and_then(|file| file.sync_all()).map_err(io(&own))?;
            fs::rename(&own, &path).map_err(io(&path))?;
        }
    }
    sync_dir(copy)
}

fn closed() -> StoreError {
    StoreError::Database("it could not be reopened after a failed commit".into())
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_compression_type(DBCompressionType::None);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // The state has a few megabytes at most, so small buffers and log files are enough.
    options.set_write_buffer_size(4 << 20);
    options.set_max_log_file_size(1 << 20);
    options.set_keep_log_file_num(4);
    options.set_max_background_jobs(2);
    options
}

fn refused(dir: &Path, error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    // Messages for a lock held by this process, and by another one (`LockFile` and `LockHelper` in RocksDB's
    // env/fs_posix.cc). Any other error is a different problem with the file, or the path contains "lock".
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_held_lock_is_reported_as_locked() {
        let dir = tempfile::tempdir().unwrap();
        Rocks::create(dir.path(), Vec::new()).unwrap();
        let open = Rocks::open(dir.path()).unwrap();
        assert!(matches!(Rocks::open(dir.path()), Err(StoreError::Locked { .. })));
        drop(open);
        // A lock file that cannot be opened, below a path that contains "lock".
        let (blocked, lock) = (dir.path().join("block"), dir.path().join("block/journal/LOCK"));
        fs::create_dir(&blocked).unwrap();
        Rocks::create(&blocked, Vec::new()).unwrap();
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        let Err(error) = Rocks::open(&blocked) else { panic!("opened") };
        assert!(matches!(&error, StoreError::Database(_)), "{error}");
    }
}
