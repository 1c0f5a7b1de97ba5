//! The single writer. It has its own thread, so that no tokio worker waits for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::backend::Backend;
use super::codec::{self, Contents, History};
use super::condition::WriterCondition;
use super::history::{self, Retention};
use super::seal::Sealer;
use super::{StoreError, TransactError};
use crate::invariant;
use crate::model::{Change, Link, Record, View, clipped, link_config, summarise};

/// Maximum number of transactions that wait in the queue. Further callers wait to enter it.
pub(crate) const QUEUE: usize = 64;

/// Maximum length of the caller's name in a record, in characters.
const LONGEST_WHO: usize = 256;
/// Maximum length of the reason in a record, in characters. It may contain text from another cluster.
const LONGEST_WHY: usize = 512;

/// One transaction that waits for its turn.
pub(crate) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// State that only the writer thread may change.
pub(crate) struct Writer {
    backend: Arc<dyn Backend>,
    sealer: Arc<Sealer>,
    view: Arc<ArcSwap<View>>,
    sequence: watch::Sender<u64>,
    history: History,
    retention: Retention,
    condition: Arc<WriterCondition>,
    /// Time of the last look for records that are too old.
    looked: Option<Instant>,
    /// True if replaced or deleted values must be removed from the disk.
    unswept: bool,
    /// Set after a failed commit, until the state on disk was read again.
    poison: Option<Poison>,
}

struct Poison {
    reason: String,
    /// Time of the last attempt to read it.
    tried: Instant,
}

/// Interval between two looks for records that are too old. Each look that finds some compacts the database.
const RETENTION_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Minimum interval between two attempts to read what a failed commit has left on disk.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Writer {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        sealer: Arc<Sealer>,
        view: Arc<ArcSwap<View>>,
        sequence: watch::Sender<u64>,
        history: History,
        retention: Retention,
        condition: Arc<WriterCondition>,
    ) -> Self {
        let (looked, unswept, poison) = (None, false, None);
        Writer { backend, sealer, view, sequence, history, retention, condition, looked, unswept, poison }
    }

    /// Requests a sweep: values that were replaced before the writer existed must be removed from the disk.
    pub(crate) fn sweep_next(&mut self) {
        self.unswept = true;
    }

    /// Runs transactions until the last handle is gone.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            // A panic in a transaction's function must not end the writer. The caller sees that the reply was
            // dropped. Nothing was written, since the function only reads.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut self)));
            // This is last, after the caller got its answer.
            self.tidy();
        }
    }

    /// Decides with `f`, then makes the changes durable, then makes them visible.
    pub(crate) fn transact<T, E>(
        &mut self,
        who: &str,
        why: &str,
        f: impl FnOnce(&View, i64) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, TransactError<E>> {
        self.recover()?;
        let before = self.view.load_full();
        let at_ms = now_ms();
        let (changes, result) = f(&before, at_ms).map_err(TransactError::Refused)?;
        if !changes.is_empty() {
            let (summary, omitted) = summarise(&before, &changes);
            let (who, why) = (clipped(who, LONGEST_WHO), clipped(why, LONGEST_WHY));
            let sequence = before.sequence + 1;
            self.commit(&before, &Record { sequence, at_ms, who, why, changes, summary, omitted })?;
        }
        Ok(result)
    }

    /// Recovers from a failed commit: opens the database again, like a restart, and continues from what is
    /// there. The record of the failed commit may be there.
    fn recover(&mut self) -> Result<(), StoreError> {
        let Some(poison) = &mut self.poison else { return Ok(()) };
        if poison.tried.elapsed() < CHECK_INTERVAL {
            return Err(StoreError::Poisoned(poison.reason.clone()));
        }
        poison.tried = Instant::now();
        let poisoned = |error: StoreError| StoreError::Poisoned(error.to_string());
        self.backend.reopen().map_err(poisoned)?;
        let Contents { view, history, .. } =
            codec::read(self.backend.as_ref(), &self.sealer).map_err(poisoned)?;
        let known = self.view.load().sequence;
        if view.sequence < known {
            let what = format!("{known} records were acknowledged, but only {} are on disk", view.sequence);
            return Err(StoreError::Poisoned(what));
        }
        let sequence = view.sequence;
        self.view.store(Arc::new(view));
        let _ = self.sequence.send_replace(sequence);
        self.history = history;
        self.poison = None;
        self.condition.works();
        Ok(())
    }

    fn commit(&mut self, before: &View, record: &Record) -> Result<(), StoreError> {
        let mut after = before.clone();
        after.apply(record);
        invariant::journal_is_gapless(before.sequence, after.sequence)?;
        invariant::change_is_lawful(before, &after)?;
        let (writes, bytes) = codec::writes_of(record, &self.sealer)?;
        self.write(writes)?;
        self.history.bytes += bytes;
        self.unswept |= record.changes.iter().any(|change| ends_a_secret(before, change));
        self.view.store(Arc::new(after));
        let _ = self.sequence.send_replace(record.sequence);
        Ok(())
    }

    fn write(&mut self, writes: Vec<super::backend::Write>) -> Result<(), StoreError> {
        self.condition.begins();
        let written = self.backend.commit(writes);
        self.condition.ends();
        if let Err(error) = &written {
            // It is unknown whether the batch is on disk, and a second record with the same sequence must
            // never be written.
            self.poison = Some(Poison { reason: error.to_string(), tried: Instant::now() });
            self.condition.failed(error.to_string());
        }
        written
    }

    /// Trims history if that is due, and removes trimmed or replaced values from the disk. A failure is tried
    /// again after the next transaction.
    pub(crate) fn tidy(&mut self) {
        if self.poison.is_some() {
            return;
        }
        let last = self.view.load().sequence;
        let mut retention = self.retention;
        if self.history.bytes > retention.bytes {
            retention = retention.with_room();
        }
        if self.looked.is_some_and(|at| at.elapsed() < RETENTION_INTERVAL) {
            retention.age = None;
        } else {
            self.looked = Some(Instant::now());
        }
        while let Ok(Some(trimming)) =
            history::due(self.backend.as_ref(), &self.history, last, retention, now_ms())
        {
            if self.write(trimming.writes).is_err() {
                return;
            }
            self.history = trimming.after;
            self.unswept = true;
        }
        if self.unswept {
            self.condition.begins();
            self.unswept = self.backend.sweep().is_err();
            self.condition.ends();
        }
    }
}

/// Returns true if a change replaces or removes a secret. Then its bytes must be removed from the disk.
fn ends_a_secret(before: &View, change: &Change) -> bool {
    let secrets = |link: &Link| -> Vec<(String, String)> {
        let all = link.configs.iter().filter(|(name, _)| link_config::is_sensitive(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    match change {
        Change::PutLink(after) => before.links.get(&after.name).is_some_and(|old| {
            secrets(old).iter().any(|(name, value)| after.configs.get(name) != Some(value))
        }),
        Change::RemoveLink(name) => before.links.get(name).is_some_and(|old| !secrets(old).is_empty()),
        Change::PutMirror(_) | Change::RemoveMirror(_) | Change::PutIdentity(_) => false,
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
