//! Hides filler in the records of one partition.
//!
//! Filler stands for source offsets that hold no record. Where a real batch follows in the same response it is left out:
//! clients know such gaps from compaction. A run of filler at the end becomes one control batch over the whole run, which
//! every client steps over; without it, a client would ask for the same offset for ever. A mixed batch, and one in which
//! the log cleaner may have left a sentinel, gives way to the same batch without its sentinels.

use std::ops::Range;

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::batch::{BatchHeader, RawBatch};
use crate::wire::filler::{Mark, control_run, mark};
use crate::wire::sift::{Sifted, sift};
use crate::wire::walk::walk;

use super::sifting::{BATCH_LIMIT, Sifting};

/// What a client gets instead of the records.
#[derive(Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The records, in pieces.
    pub pieces: Vec<Bytes>,
    /// Batches of nothing but filler that are not among them.
    pub hidden: usize,
    /// The offsets of these batches, neighbours joined, ascending.
    pub runs: Vec<Range<i64>>,
    /// Whether the last piece is the control batch that stands for the last run.
    pub ends_with_control: bool,
}

/// What a look into a batch says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What is left of it without its sentinels.
    Sifted(Sifted),
    /// It cannot be read: it passes as it is, since damage is the client's to see.
    Unreadable,
    /// It takes more work than this answer may cause: it and what follows are left out, and the client asks again.
    Later,
}

/// [`hide`] with what a guard says of the partition, and with looks that are charged, bounded and off the async workers. Nothing
/// but the walk over the headers where there is no batch to look into.
pub(super) async fn hide_in(
    guard: &TopicGuard,
    partition: i32,
    records: &Bytes,
    sifting: &mut Sifting<'_>,
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

/// [`hide`] for tests, benchmarks and fuzzing: as if mirroring had written all that bears a reserved producer id, and with no
/// bound on the work of an answer.
#[must_use]
pub fn hide_filler(records: &Bytes) -> Option<Filtered> {
    hide(records, mark, |batch| {
        sift(batch, BATCH_LIMIT).map_or(Look::Unreadable, |(sifted, _)| Look::Sifted(sifted))
    })
}

/// The records without their filler; `None` where there is none and nothing changes. `mark` tells what a batch is; `look` looks
/// into those that are mixed or cleaned.
///
/// A part of a batch at the end, where the broker reached its byte limit, is left out too once anything else is: the
/// client asks for it again in any case. Old message formats have no filler, so a walk that meets one ends there.
pub(super) fn hide(
    records: &Bytes,
    mark: impl Fn(&BatchHeader) -> Mark,
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
            // What cannot be walked is the client's to judge: everything from here on goes through.
            hiding.keep(records.len() - hiding.at);
            break;
        };
        let seen = match mark(&batch.header) {
            Mark::Real => Look::Sifted(Sifted::Unchanged),
            Mark::Filler => Look::Sifted(Sifted::Nothing),
            Mark::Mixed | Mark::Cleaned => look(&batch),
        };
        if seen == Look::Later {
            hiding.changed = true;
            break;
        }
        hiding.batch(&batch, seen);
    }
    hiding.finish()
}

/// What a batch of a partition of a guarded topic is: its mark counts where mirroring can have written it.
pub(super) fn mark_in(guard: &TopicGuard, partition: i32, header: &BatchHeader) -> Mark {
    match mark(header) {
        Mark::Real => Mark::Real,
        marked if guard.written.covers(partition, header.base_offset, header.producer_id) => marked,
        _ => Mark::Real,
    }
}

struct Hiding<'a> {
    records: &'a Bytes,
    pieces: Vec<Bytes>,
    runs: Vec<Range<i64>>,
    hidden: usize,
    changed: bool,
    /// Start and end of the batches that pass and are not yet among the pieces: neighbours stay one piece.
    kept: usize,
    at: usize,
    /// The filler since the last batch that passed.
    run: Option<Run>,
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

    /// The next `length` bytes pass.
    fn keep(&mut self, length: usize) {
        self.at += length;
        self.run = None;
    }

    /// The next batch is filler.
    fn hide(&mut self, header: &BatchHeader, length: usize) {
        self.cut_out(length);
        self.hidden += 1;
        let next = header.next_offset();
        match self.runs.last_mut().filter(|_| self.run.is_some()) {
            Some(run) => run.end = next,
            None => self.runs.push(header.base_offset..next),
        }
        self.run = Some(Run::extended(self.run.take(), header));
    }

    /// The next `length` bytes do not pass.
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

/// Filler batches one after another.
struct Run {
    base_offset: i64,
    next_offset: i64,
    leader_epoch: i32,
}

impl Run {
    /// The epoch is that of the last batch: clients keep it for the position behind the run.
    fn extended(run: Option<Run>, header: &BatchHeader) -> Run {
        Run {
            base_offset: run.map_or(header.base_offset, |run| run.base_offset),
            next_offset: header.next_offset(),
            leader_epoch: header.partition_leader_epoch,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
