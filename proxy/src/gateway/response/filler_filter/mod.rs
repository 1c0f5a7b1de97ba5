//! Hides filler in the records of one partition.
//!
//! Filler stands for source offsets that hold no record. If a real batch follows in the same response, filler
//! is left out: clients know such gaps from compaction. A run of filler at the end becomes one control batch
//! over the whole run, which every client steps over. Without it, a client would fetch the same offset for
//! ever. A mixed batch, and a batch in which the log cleaner may have left a sentinel, is replaced by the
//! same batch without its sentinels.

use crate::gateway::frame::strip_budget::Look;
use std::ops::Range;

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::filler::{FillerKind, control_run, mark};
use crate::wire::records::strip_filler::{Sifted, strip_filler};
use crate::wire::records::walk::walk;

use crate::gateway::frame::strip_budget::{BATCH_LIMIT, StripBudget};

/// Records that a client gets in place of those of the broker.
#[derive(Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The records, in pieces.
    pub pieces: Vec<Bytes>,
    /// Number of batches that were left out because they hold only filler.
    pub hidden: usize,
    /// Offset ranges of these batches, ascending. Adjacent batches share a range.
    pub runs: Vec<Range<i64>>,
    /// True if the last piece is the control batch that stands for the last run.
    pub ends_with_control: bool,
}

/// Hides filler like [`hide`], in a partition of the guard's topic. The sifting is charged, bounded, and done
/// off the async workers. If no batch has to be sifted, only the headers are read.
pub(crate) async fn hide_in(
    guard: &TopicGuard,
    partition: i32,
    records: &Bytes,
    sifting: &mut StripBudget<'_>,
) -> Option<Filtered> {
    let mark = |header: &BatchHeader| mark_in(guard, partition, header);
    let mut wanted = Vec::new();
    let filtered = hide(records, mark, |batch| {
        wanted.push(batch.clone());
        Look::Unreadable
    });
    if wanted.is_empty() {
        return filtered;
    }
    let mut looks = Vec::with_capacity(wanted.len());
    for batch in &wanted {
        let look = sifting.look(batch).await;
        let is_last = look == Look::Later;
        looks.push(look);
        if is_last {
            break;
        }
    }
    let mut looks = looks.into_iter();
    hide(records, mark, |_| looks.next().unwrap_or(Look::Later))
}

/// Hides filler like [`hide`], for tests, benchmarks and fuzzing: as if mirroring had written every batch
/// with a reserved producer id, and without a bound on the work for a response.
#[must_use]
pub fn hide_filler(records: &Bytes) -> Option<Filtered> {
    hide(records, mark, |batch| {
        strip_filler(batch, BATCH_LIMIT).map_or(Look::Unreadable, |(sifted, _)| Look::Sifted(sifted))
    })
}

/// Returns the records without their filler, or `None` if nothing changes. `mark` classifies a batch by its
/// header. `look` sifts the mixed and the cleaned batches.
///
/// If anything is left out, a batch that the broker cut at its byte limit is left out too: the client fetches
/// it again in any case. Old message formats have no filler, so the walk ends at the first batch of such a
/// format.
pub(crate) fn hide(
    records: &Bytes,
    mark: impl Fn(&BatchHeader) -> FillerKind,
    mut look: impl FnMut(&RawBatch) -> Look,
) -> Option<Filtered> {
    let mut hiding = Hiding {
        records,
        pieces: Vec::new(),
        runs: Vec::new(),
        hidden: 0,
        changed: false,
        kept: 0,
        at: 0,
        run: None,
    };
    for batch in walk(records) {
        let Ok(batch) = batch else {
            // Data that cannot be walked is for the client to judge: all that is left passes.
            hiding.keep(records.len() - hiding.at);
            break;
        };
        let seen = match mark(&batch.header) {
            FillerKind::Real => Look::Sifted(Sifted::Unchanged),
            FillerKind::Filler => Look::Sifted(Sifted::Nothing),
            FillerKind::Mixed | FillerKind::Cleaned => look(&batch),
        };
        if seen == Look::Later {
            hiding.changed = true;
            break;
        }
        hiding.batch(&batch, seen);
    }
    hiding.finish()
}

/// Classifies a batch in a partition of a guarded topic. A mark counts only if mirroring can have written the
/// batch.
pub(crate) fn mark_in(guard: &TopicGuard, partition: i32, header: &BatchHeader) -> FillerKind {
    match mark(header) {
        FillerKind::Real => FillerKind::Real,
        marked if guard.written.covers(partition, header.base_offset, header.producer_id) => marked,
        _ => FillerKind::Real,
    }
}

struct Hiding<'a> {
    records: &'a Bytes,
    pieces: Vec<Bytes>,
    runs: Vec<Range<i64>>,
    hidden: usize,
    changed: bool,
    /// Start (`kept`) and end (`at`) of the batches that pass and are not among the pieces yet. Adjacent
    /// batches stay one piece.
    kept: usize,
    at: usize,
    /// Filler since the last batch that passed.
    run: Option<FillerRun>,
}

impl Hiding<'_> {
    fn batch(&mut self, batch: &RawBatch, seen: Look) {
        let length = batch.bytes.len();
        match seen {
            Look::Sifted(Sifted::Nothing) => self.hide(&batch.header, length),
            Look::Sifted(Sifted::Records(bytes)) => {
                self.cut_out(length);
                self.pieces.push(bytes);
                self.run = None;
            }
            Look::Sifted(Sifted::Unchanged) | Look::Unreadable | Look::Later => self.keep(length),
        }
    }

    /// Lets the next `length` bytes pass.
    fn keep(&mut self, length: usize) {
        self.at += length;
        self.run = None;
    }

    /// Leaves out the next batch, which is filler.
    fn hide(&mut self, header: &BatchHeader, length: usize) {
        self.cut_out(length);
        self.hidden += 1;
        let next = header.next_offset();
        match self.runs.last_mut().filter(|_| self.run.is_some()) {
            Some(run) => run.end = next,
            None => self.runs.push(header.base_offset..next),
        }
        self.run = Some(FillerRun::extended(self.run.take(), header));
    }

    /// Leaves out the next `length` bytes.
    fn cut_out(&mut self, length: usize) {
        self.flush();
        self.at += length;
        self.kept = self.at;
        self.changed = true;
    }

    fn flush(&mut self) {
        if self.kept < self.at {
            self.pieces.push(self.records.slice(self.kept..self.at));
        }
    }

    fn finish(mut self) -> Option<Filtered> {
        if !self.changed {
            return None;
        }
        self.flush();
        let ends_with_control = self.run.is_some();
        if let Some(run) = self.run {
            let count = run.next_offset.saturating_sub(run.base_offset);
            self.pieces.push(control_run(run.base_offset, count, run.leader_epoch));
        }
        Some(Filtered { pieces: self.pieces, hidden: self.hidden, runs: self.runs, ends_with_control })
    }
}

/// Adjacent filler batches.
struct FillerRun {
    base_offset: i64,
    next_offset: i64,
    leader_epoch: i32,
}

impl FillerRun {
    /// Extends a run by a batch. The run gets the epoch of its last batch: clients keep it for the position
    /// behind the run.
    fn extended(run: Option<FillerRun>, header: &BatchHeader) -> FillerRun {
        FillerRun {
            base_offset: run.map_or(header.base_offset, |run| run.base_offset),
            next_offset: header.next_offset(),
            leader_epoch: header.partition_leader_epoch,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
