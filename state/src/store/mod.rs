//! The journal: every change of Linkgate's state, in order, and the view that the changes produce.
//!
//! It owns the state directory. It guarantees: an acknowledged transaction survives a crash of the process or
//! the machine; its changes take effect together or not at all; records are numbered without gaps; there is
//! one writer, so a transaction decides on the latest view. After a failed commit the state on disk is
//! unknown: the view can still be read, and transactions are refused until the database was opened again and
//! read. Each transaction tries that, at most once a second.
//!
//! The state after all records is in separate rows, so that old records may be trimmed. Secrets are sealed in
//! those rows, and are in no record.
//!
//! Layout of the state directory (mode 0700): `journal/` is the RocksDB database, `secret.key` (mode 0600) is
//! the key that sensitive link configs are sealed with, `backups/` holds requested copies. A journal is
//! created only in an empty directory. Its key is prepared as `secret.key.new` and renamed when the journal
//! exists.

mod backend;
mod backup;
mod codec;
mod condition;
mod dir;
mod error;
mod files;
mod history;
mod keys;
mod memory;
mod rocks;
mod schema;
mod seal;
mod stamped;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use self::backend::Backend;
use self::condition::WriterCondition;
use self::memory::Memory;
use self::rocks::Rocks;
use self::seal::Sealer;
use self::writer::{Job, QUEUE, Writer};
use crate::model::{Change, Record, View};

pub use self::backup::{Backup, BackupError, BackupName, ParseBackupNameError};
pub use self::error::{StoreError, TransactError};
pub use self::history::Retention;

/// Location of a journal, and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The state directory.
    pub dir: PathBuf,
    /// True if a journal may be created when the directory is missing or empty. Otherwise that is an error.
    pub create: bool,
    /// Limits for the history that is kept.
    pub retention: Retention,
    /// Directory of the backups. Below the state directory if absent.
    pub backup_dir: Option<PathBuf>,
}

impl StoreOptions {
    /// Returns options for a journal in `dir`, created if missing, with defaults for the rest.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        StoreOptions {
            dir: dir.to_path_buf(),
            create: true,
            retention: Retention::default(),
            backup_dir: None,
        }
    }
}

/// Handle to the journal. Clones share it. Dropping the last one closes the database before the drop returns.
#[derive(Clone)]
pub struct Store(Arc<StoreInner>);

struct StoreInner {
    view: Arc<ArcSwap<View>>,
    sequence: watch::Receiver<u64>,
    backend: Option<Arc<dyn Backend>>,
    condition: Arc<WriterCondition>,
    /// Target of the copies, and the state directory with the key. `None` without a disk.
    place: Option<backup::Place>,
    is_new: bool,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the journal of a state directory, and creates both if missing. Blocks on the disk.
    ///
    /// # Errors
    /// The errors of [`Store::open_with`].
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_with(&StoreOptions::new(dir))
    }

    /// Opens a journal. Blocks on the disk.
    ///
    /// # Errors
    /// Fails if another process has it open, a newer version wrote it, it is damaged, it is not Linkgate's,
    /// it is missing but should exist, other users may change it, or its key file is missing or readable by
    /// others.
    pub fn open_with(options: &StoreOptions) -> Result<Store, StoreError> {
        let dir = &options.dir;
        if !options.create && !dir.exists() {
            return Err(StoreError::Missing { dir: dir.clone(), what: NOT_TO_BE_MADE.into() });
        }
        dir::check(dir)?;
        let is_new = !Rocks::exists(dir)?;
        if is_new {
            if !options.create {
                return Err(StoreError::Missing { dir: dir.clone(), what: NOT_TO_BE_MADE.into() });
            }
            dir::may_be_made(dir)?;
        }
        // The directory is known to be Linkgate's only from here on.
        dir::close(dir)?;
        if is_new {
            Sealer::prepare_key(dir)?;
            Rocks::create(dir, schema::first_rows())?;
        }
        Sealer::adopt_key(dir)?;
        let sealer = Sealer::open(dir)?;
        let place = backup::Place::new(dir, options.backup_dir.as_deref());
        Store::start(Arc::new(Rocks::open(dir)?), sealer, options.retention, Some(place), is_new)
    }

    /// Creates a journal without a disk, with the same semantics otherwise.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn in_memory() -> Result<Store, StoreError> {
        let backend = Memory::default();
        backend.commit(schema::first_rows())?;
        Store::start(Arc::new(backend), Sealer::ephemeral(), Retention::default(), None, true)
    }

    fn start(
        backend: Arc<dyn Backend>,
        sealer: Sealer,
        retention: Retention,
        place: Option<backup::Place>,
        is_new: bool,
    ) -> Result<Store, StoreError> {
        schema::check(backend.as_ref())?;
        let mut contents = codec::read(backend.as_ref(), &sealer)?;
        // This fails on a full disk. The start continues, and the next start tries again.
        let renewed = history::renew(backend.as_ref(), &sealer, &mut contents).unwrap_or_default();
        #[cfg(debug_assertions)]
        check_replay(backend.as_ref(), &contents)?;
        let (sequence_sender, sequence) = watch::channel(contents.view.sequence);
        let view = Arc::new(ArcSwap::from_pointee(contents.view));
        let condition = Arc::new(WriterCondition::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let mut writer = Writer::new(
            backend.clone(),
            Arc::new(sealer),
            view.clone(),
            sequence_sender,
            contents.history,
            retention,
            condition.clone(),
        );
        if renewed {
            writer.sweep_next();
        }
        writer.tidy();
        let thread = thread::Builder::new()
            .name("journal-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(files::io(Path::new("journal-writer thread")))?;
        Ok(Store(Arc::new(StoreInner {
            view,
            sequence,
            backend: Some(backend),
            condition,
            place,
            is_new,
            jobs: Some(jobs),
            thread: Some(thread),
        })))
    }

    /// Returns true if this call of open created the journal, so that no earlier state is known.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// Returns the trouble in one sentence, if the journal accepts no changes or its disk has not finished a
    /// write for longer than `patience`. Never waits.
    #[must_use]
    pub fn trouble(&self, patience: Duration) -> Option<String> {
        self.0.condition.trouble(patience)
    }

    /// Returns the state after all acknowledged records. Cheap; the snapshot does not change.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    /// Returns a receiver for the sequence of the last record. When it shows a sequence, the view includes
    /// that record.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.sequence.clone()
    }

    /// Runs `f` with the latest view and the current time (milliseconds since the epoch), and commits the
    /// changes that it returns as one record. No other transaction runs meanwhile. An empty list of changes
    /// writes nothing. When this returns `Ok`, the record is on disk and in the view.
    ///
    /// `f` runs on the writer's thread: it must not block, and must not wait for another transaction.
    /// Dropping the future does not undo the transaction.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with `f`'s own error. [`TransactError::Store`] if the changes break an
    /// invariant (nothing is written) or the disk fails (see the module's documentation).
    pub async fn transact<T, E>(
        &self,
        who: &str,
        why: &str,
        f: impl FnOnce(&View, i64) -> Result<(Vec<Change>, T), E> + Send + 'static,
    ) -> Result<T, TransactError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (who, why) = (who.to_owned(), why.to_owned());
        let job: Job = Box::new(move |writer| {
            // The caller may have gone: a committed transaction stays committed.
            let _ = reply.send(writer.transact(&who, &why, f));
        });
        let jobs = self.0.jobs.as_ref().ok_or(StoreError::WriterGone)?;
        jobs.send(job).await.map_err(|_| StoreError::WriterGone)?;
        answer.await.map_err(|_| StoreError::WriterGone)?
    }

    /// Returns the records from sequence `from` on, in order, at most `limit`. Secrets are left out.
    ///
    /// # Errors
    /// Fails if the database, or a record in it, cannot be read.
    pub async fn journal(&self, from: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.with_backend(move |backend| codec::read_journal(backend, from, limit)).await
    }

    /// Returns the latest records before sequence `before` (or the latest of all, if absent), the latest
    /// first. Returns at most `limit`, and fewer if they are large. Secrets are left out.
    ///
    /// # Errors
    /// Fails if the database, or a record in it, cannot be read.
    pub async fn latest(&self, before: Option<u64>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let end = self.view().sequence.saturating_add(1);
        let before = before.map_or(end, |before| before.min(end));
        self.with_backend(move |backend| codec::read_latest(backend, before, limit)).await
    }

    /// Trims history that has become too old in the meantime. Every transaction does the same.
    ///
    /// # Errors
    /// Fails if the process is shutting down.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let jobs = self.0.jobs.as_ref().ok_or(StoreError::WriterGone)?;
        // The writer trims after each job.
        let nothing: Job = Box::new(|_| {});
        jobs.send(nothing).await.map_err(|_| StoreError::WriterGone)
    }

    /// Runs a function that blocks on the disk, on a thread for blocking work.
    async fn with_backend<T: Send + 'static>(
        &self,
        what: impl FnOnce(&dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let done = move || what(store.0.backend.as_deref().ok_or(StoreError::WriterGone)?);
        tokio::task::spawn_blocking(done).await.map_err(|_| StoreError::WriterGone)?
    }
}

/// Reason why no journal is created although there is none.
const NOT_TO_BE_MADE: &str = "state.create=false, so none is created; make sure that the right volume is \
                              mounted, restore it from a backup, or set state.create=true for a first start";

/// Checks that the rows match the records, so that a bug is found before anything is built on it.
#[cfg(debug_assertions)]
fn check_replay(backend: &dyn Backend, contents: &codec::Contents) -> Result<(), StoreError> {
    match codec::read_journal(backend, 0, usize::MAX) {
        // A newer version may have written words that only a reader of the history needs to know.
        Err(StoreError::NewerRow(_)) => Ok(()),
        Err(error) => Err(error),
        Ok(records) => {
            Ok(crate::invariant::view_ends_as_replay(contents.history.trimmed, &records, &contents.view)?)
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("sequence", &*self.0.sequence.borrow()).finish_non_exhaustive()
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        self.jobs = None;
        self.backend = None;
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped by a transaction, on the writer's thread: it cannot wait for
            // itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
