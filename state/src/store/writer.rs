//! The single writer: a thread of its own, so that no tokio worker ever waits for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::backend::Backend;
use super::seal::Sealer;
use super::{StoreError, TransactError, codec};
use crate::invariant;
use crate::model::{Change, Record, View};

/// Transactions that may wait for the writer; further callers wait to enter.
pub(crate) const QUEUE: usize = 64;

/// One transaction, waiting its turn.
pub(crate) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// What only the writer thread may change.
pub(crate) struct Writer {
    backend: Arc<dyn Backend>,
    sealer: Arc<Sealer>,
    view: Arc<ArcSwap<View>>,
    sequence: watch::Sender<u64>,
    /// A commit failed, and nobody has looked yet what is on disk.
    poison: Option<Poison>,
}

struct Poison {
    reason: String,
    /// When it was last tried to find out.
    tried: Instant,
}

/// Time between two looks at what a failed commit has left on disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Writer {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        sealer: Arc<Sealer>,
        view: Arc<ArcSwap<View>>,
        sequence: watch::Sender<u64>,
    ) -> Self {
        Writer { backend, sealer, view, sequence, poison: None }
    }

    /// Runs transactions until the last handle is gone.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            // A panic in a transaction's function must not take the writer with it. Its caller sees the reply dropped;
            // nothing was written, since the function only reads.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut self)));
        }
    }

    /// Decides by `f`, then makes it durable, then makes it visible.
    pub(crate) fn transact<T, E>(
        &mut self,
        who: String,
        why: String,
        f: impl FnOnce(&View, i64) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, TransactError<E>> {
        self.recover()?;
        let before = self.view.load_full();
        let at_ms = now_ms();
        let (changes, result) = f(&before, at_ms).map_err(TransactError::Refused)?;
        if !changes.is_empty() {
            let record = Record { sequence: before.sequence + 1, at_ms, who, why, changes };
            self.commit(&before, &record)?;
        }
        Ok(result)
    }

    /// After a failed commit: opens the database anew, as a restart would, and goes on from what is there. The record of the
    /// failed commit may be among it.
    fn recover(&mut self) -> Result<(), StoreError> {
        let Some(poison) = &mut self.poison else { return Ok(()) };
        if poison.tried.elapsed() < LOOK_EVERY {
            return Err(StoreError::Poisoned(poison.reason.clone()));
        }
        poison.tried = Instant::now();
        let poisoned = |error: StoreError| StoreError::Poisoned(error.to_string());
        self.backend.reopen().map_err(poisoned)?;
        let there = codec::read_view(self.backend.as_ref(), &self.sealer).map_err(poisoned)?;
        let known = self.view.load().sequence;
        if there.sequence < known {
            let what = format!("{known} records were acknowledged, {} are on disk", there.sequence);
            return Err(StoreError::Poisoned(what));
        }
        let sequence = there.sequence;
        self.view.store(Arc::new(there));
        let _ = self.sequence.send_replace(sequence);
        self.poison = None;
        Ok(())
    }

    fn commit(&mut self, before: &View, record: &Record) -> Result<(), StoreError> {
        let mut after = before.clone();
        after.apply(record);
        invariant::journal_is_gapless(before.sequence, after.sequence)?;
        invariant::change_is_lawful(before, &after)?;
        let writes = codec::writes_of(record, &self.sealer)?;
        if let Err(error) = self.backend.commit(writes) {
            // Whether the batch is on disk is unknown, and a second record of the same sequence must never be written.
            self.poison = Some(Poison { reason: error.to_string(), tried: Instant::now() });
            return Err(error);
        }
        self.view.store(Arc::new(after));
        let _ = self.sequence.send_replace(record.sequence);
        Ok(())
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
