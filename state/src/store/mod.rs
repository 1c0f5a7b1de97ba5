//! The journal: every change of what Linkgate knows, in order, and the view that it adds up to.
//!
//! Owns the state directory. Promises: a transaction that was acknowledged survives a crash of process or machine; its
//! changes take effect together or not at all; records are numbered without gaps; there is one writer, so a
//! transaction decides on the latest view. After a failed commit nobody knows what is on disk: the view is read on, and
//! transactions are refused until the database could be opened anew and read, which each of them tries.
//!
//! What the records add up to stands in rows of its own, so that old records may be trimmed. Secrets stand in those rows,
//! sealed, and in no record.
//!
//! Layout of the state directory (mode 0700): `journal/` is the RocksDB database, `secret.key` (mode 0600) the key that
//! sensitive link configs are sealed with, `backups/` copies that were asked for. A journal is made only in an empty
//! directory: its key is prepared as `secret.key.new` and gets its name when the journal exists.

mod backend;
mod backup;
mod codec;
mod condition;
mod dir;
mod error;
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
use self::condition::Condition;
use self::memory::Memory;
use self::rocks::Rocks;
use self::seal::Sealer;
use self::writer::{Job, QUEUE, Writer};
use crate::model::{Change, Record, View};

pub use self::backup::{Backup, BackupError, BackupName, ParseBackupNameError};
pub use self::error::{StoreError, TransactError};
pub use self::history::Retention;

/// Where a journal is, and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The state directory.
    pub dir: PathBuf,
    /// Whether a journal is made where the directory is missing or empty; else that is an error.
    pub create: bool,
    /// How much of its history is kept.
    pub retention: Retention,
    /// Where backups go; below the state directory when absent.
    pub backup_dir: Option<PathBuf>,
}

impl StoreOptions {
    /// A journal in `dir`, made when missing, everything else by default.
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

/// Handle to the journal. Clones share it; dropping the last one closes the directory before it returns.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    view: Arc<ArcSwap<View>>,
    sequence: watch::Receiver<u64>,
    backend: Option<Arc<dyn Backend>>,
    condition: Arc<Condition>,
    /// Where copies go, and whence the key is; `None` without a disk.
    place: Option<backup::Place>,
    is_new: bool,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the journal of a state directory, and creates both when missing. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Store::open_with`].
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_with(&StoreOptions::new(dir))
    }

    /// Opens a journal. Blocks on the disk.
    ///
    /// # Errors
    /// Another process has it open, a newer version wrote it, it is damaged, not Linkgate's or not there although it
    /// should be, others may change it, or its key file is missing or readable by others.
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
        // Only now it is known to be Linkgate's.
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

    /// A journal without a disk, with the same semantics otherwise.
    ///
    /// # Errors
    /// No thread can be started.
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
        // On a disk that is full this fails, which is no reason not to start: the next start tries again.
        let renewed = history::renew(backend.as_ref(), &sealer, &mut contents).unwrap_or_default();
        #[cfg(debug_assertions)]
        check_replay(backend.as_ref(), &contents)?;
        let (sequence_sender, sequence) = watch::channel(contents.view.sequence);
        let view = Arc::new(ArcSwap::from_pointee(contents.view));
        let condition = Arc::new(Condition::default());
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
            .map_err(rocks::io(Path::new("journal-writer thread")))?;
        Ok(Store(Arc::new(Inner {
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

    /// Whether this open has made the journal: nothing that an earlier one knew is known.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// What is wrong, in one sentence, when the journal takes no changes or its disk has not finished a write for longer
    /// than `patience`. Never waits.
    #[must_use]
    pub fn trouble(&self, patience: Duration) -> Option<String> {
        self.0.condition.trouble(patience)
    }

    /// What all acknowledged records add up to. Cheap; a snapshot that does not change.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    /// Tells of new records by the sequence of the last one. The view is at least that new when it tells.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.sequence.clone()
    }

    /// Runs `f` on the latest view and the present time (milliseconds since the epoch), alone, and commits the changes
    /// it returns as one record. An empty list of changes writes nothing. When this returns `Ok`, the record is on disk
    /// and in the view.
    ///
    /// `f` runs on the writer's thread: it must not block, nor wait for another transaction. Dropping the future does not
    /// undo the transaction.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with `f`'s own error; [`TransactError::Store`] when the changes break an invariant
    /// (nothing is written) or the disk fails (see the module's documentation).
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
            // The caller may have gone: what is committed stays committed.
            let _ = reply.send(writer.transact(&who, &why, f));
        });
        let jobs = self.0.jobs.as_ref().ok_or(StoreError::WriterGone)?;
        jobs.send(job).await.map_err(|_| StoreError::WriterGone)?;
        answer.await.map_err(|_| StoreError::WriterGone)?
    }

    /// Records from sequence `from` on, in order, at most `limit`. Secrets are left out.
    ///
    /// # Errors
    /// The database cannot be read, or a record in it.
    pub async fn journal(&self, from: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.with_backend(move |backend| codec::read_journal(backend, from, limit)).await
    }

    /// The latest records before sequence `before` (all there are, when absent), the latest first: at most `limit`, and
    /// fewer where they are large. Secrets are left out.
    ///
    /// # Errors
    /// The database cannot be read, or a record in it.
    pub async fn latest(&self, before: Option<u64>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let end = self.view().sequence.saturating_add(1);
        let before = before.map_or(end, |before| before.min(end));
        self.with_backend(move |backend| codec::read_latest(backend, before, limit)).await
    }

    /// Trims history that has become too old meanwhile, as every transaction does.
    ///
    /// # Errors
    /// The process is shutting down.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let jobs = self.0.jobs.as_ref().ok_or(StoreError::WriterGone)?;
        // The writer tidies up after each job.
        let nothing: Job = Box::new(|_| {});
        jobs.send(nothing).await.map_err(|_| StoreError::WriterGone)
    }

    /// Does what blocks on the disk, on a thread for that.
    async fn with_backend<T: Send + 'static>(
        &self,
        what: impl FnOnce(&dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let done = move || what(store.0.backend.as_deref().ok_or(StoreError::WriterGone)?);
        tokio::task::spawn_blocking(done).await.map_err(|_| StoreError::WriterGone)?
    }
}

/// Why no journal is made although there is none.
const NOT_TO_BE_MADE: &str = "state.create=false says that there is one; see that the right volume is mounted, \
                              restore it from a backup, or set state.create=true for a first start";

/// The rows are what the records say: a mistake of ours is to be found before anything is built on it.
#[cfg(debug_assertions)]
fn check_replay(backend: &dyn Backend, contents: &codec::Contents) -> Result<(), StoreError> {
    match codec::read_journal(backend, 0, usize::MAX) {
        // A newer version may have written words that nobody needs to know but who reads history.
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

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs = None;
        self.backend = None;
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped by a transaction: the writer cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
