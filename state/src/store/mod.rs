//! The journal: every change of what Linkgate knows, in order, and the view that it adds up to.
//!
//! Owns the state directory. Promises: a transaction that was acknowledged survives a crash of process or machine; its
//! changes take effect together or not at all; records are numbered from 1 without gaps; there is one writer, so a
//! transaction decides on the latest view. After a failed commit nobody knows what is on disk: the view is read on, and
//! transactions are refused until the database could be opened anew and read, which each of them tries.
//!
//! Layout of the state directory (mode 0700): `journal/` is the RocksDB database, `secret.key` (mode 0600) the key that
//! sensitive link configs are sealed with.

mod backend;
mod codec;
mod error;
mod keys;
mod memory;
mod migrate;
mod rocks;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use self::backend::Backend;
use self::memory::Memory;
use self::rocks::Rocks;
use self::seal::Sealer;
use self::writer::{Job, QUEUE, Writer};
use crate::model::{Change, Record, View};

pub use self::error::{StoreError, TransactError};

/// Handle to the journal. Clones share it; dropping the last one closes the directory before it returns.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    view: Arc<ArcSwap<View>>,
    sequence: watch::Receiver<u64>,
    backend: Option<Arc<dyn Backend>>,
    sealer: Arc<Sealer>,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the journal of a state directory, and creates both when missing. Blocks on the disk.
    ///
    /// # Errors
    /// Another process has it open, a newer version wrote it, it is damaged, not Linkgate's, or its key file is missing
    /// or readable by others.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(rocks::io(dir))?;
        if !Rocks::exists(dir) {
            // The key comes first: a journal without its key is an error, a key without a journal is an unfinished start.
            if !dir.join(seal::KEY_FILE).exists() {
                Sealer::create_key(dir)?;
            }
            Rocks::create(dir, migrate::first_rows())?;
        }
        let sealer = Sealer::open(dir)?;
        Store::start(Arc::new(Rocks::open(dir)?), sealer)
    }

    /// A journal without a disk, with the same semantics otherwise.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn in_memory() -> Result<Store, StoreError> {
        let backend = Memory::default();
        backend.commit(migrate::first_rows())?;
        Store::start(Arc::new(backend), Sealer::ephemeral())
    }

    fn start(backend: Arc<dyn Backend>, sealer: Sealer) -> Result<Store, StoreError> {
        migrate::migrate(backend.as_ref())?;
        let view = codec::read_view(backend.as_ref(), &sealer)?;
        let (sequence_sender, sequence) = watch::channel(view.sequence);
        let (view, sealer) = (Arc::new(ArcSwap::from_pointee(view)), Arc::new(sealer));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(backend.clone(), sealer.clone(), view.clone(), sequence_sender);
        let thread = thread::Builder::new()
            .name("journal-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(rocks::io(Path::new("journal-writer thread")))?;
        Ok(Store(Arc::new(Inner {
            view,
            sequence,
            backend: Some(backend),
            sealer,
            jobs: Some(jobs),
            thread: Some(thread),
        })))
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
            let _ = reply.send(writer.transact(who, why, f));
        });
        let jobs = self.0.jobs.as_ref().ok_or(StoreError::WriterGone)?;
        jobs.send(job).await.map_err(|_| StoreError::WriterGone)?;
        answer.await.map_err(|_| StoreError::WriterGone)?
    }

    /// Records from sequence `from` on, in order, at most `limit`. Sensitive configs in them are unsealed.
    ///
    /// # Errors
    /// The database cannot be read, or a record in it.
    pub async fn journal(&self, from: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let store = self.clone();
        let read = move || {
            let backend = store.0.backend.as_ref().ok_or(StoreError::WriterGone)?;
            codec::read_journal(backend.as_ref(), &store.0.sealer, from, limit)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::WriterGone)?
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
