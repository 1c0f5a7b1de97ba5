//! From what a fetch brought to what is appended: pure, one partition at a time.
//!
//! Data of committed transactions and of no transaction travels as it is, with new identifiers in its header. Transaction
//! markers and aborted data become filler. What this version cannot mirror stops the partition at its offset, with a
//! reason; everything before it is still appended.

use bytes::Bytes;
use state::invariant;
use state::model::MirrorError;

use super::partition::Failure;
use crate::wire::aborted::{AbortedTransaction, BatchKind, CommittedFilter};
use crate::wire::batch::RawBatch;
use crate::wire::filler::filler;
use crate::wire::rehead::{WriterIds, rehead};
use crate::wire::sequence::sequence_of;
use crate::wire::walk::walk;

/// Most offsets that one filler batch covers; larger ones cost the broker more per offset.
pub const MAX_FILLER_OFFSETS: i64 = 100_000;

/// A batch ready to be appended at `base_offset`.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// First offset.
    pub base_offset: i64,
    /// Last offset + 1.
    pub next_offset: i64,
    /// Leader epoch of the last source batch in it; -1 when the source did not say.
    pub epoch: i32,
    /// The 61-byte header, rewritten. Empty for filler, which is all payload.
    pub header: Bytes,
    /// The rest, as the source wrote it.
    pub payload: Bytes,
}

impl Shaped {
    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

/// Batches in offset order without gaps, and where shaping stopped.
#[derive(Debug, Default)]
pub struct ShapedRun {
    /// To be appended in this order.
    pub batches: Vec<Shaped>,
    /// Timestamp of the last real record, in milliseconds; -1 when there was none yet.
    pub last_timestamp: i64,
    /// Leader epoch of the last source batch; -1 when none.
    pub last_epoch: i32,
    /// Why the partition can go no further than the end of `batches`.
    pub stop: Option<Failure>,
}

/// What shaping needs to know of the partition.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Offset that the first batch must have.
    pub next_offset: i64,
    /// Timestamp for filler that comes first; -1 when there is no earlier record.
    pub last_timestamp: i64,
    /// Reserved producer id.
    pub producer_id: i64,
}

/// Shapes the `records` of one partition's fetch response (isolation level read_committed).
///
/// A trailing partial batch is ignored, as every Kafka client does: the next fetch brings it whole.
#[must_use]
pub fn shape(records: &Bytes, aborted: Vec<AbortedTransaction>, target: Target) -> ShapedRun {
    let mut shaping = Shaping {
        target,
        next: target.next_offset,
        filler_from: None,
        run: ShapedRun { last_timestamp: target.last_timestamp, last_epoch: -1, ..ShapedRun::default() },
    };
    let mut committed = CommittedFilter::new(aborted);
    for batch in walk(records) {
        let step = match batch {
            Ok(batch) => shaping.take(&batch, &mut committed),
            Err(error) => Err(Failure {
                error: MirrorError::UnsupportedMessageFormat,
                reason: format!("at source offset {}: {error}", shaping.next),
            }),
        };
        if let Err(failure) = step {
            shaping.run.stop = Some(failure);
            break;
        }
    }
    shaping.flush_filler();
    shaping.run
}

struct Shaping {
    target: Target,
    next: i64,
    filler_from: Option<i64>,
    run: ShapedRun,
}

impl Shaping {
    fn take(&mut self, batch: &RawBatch, committed: &mut CommittedFilter) -> Result<(), Failure> {
        let header = &batch.header;
        // The filter must see every batch, those before our position too: a marker there ends a transaction.
        let kind = committed.classify(batch).map_err(|error| Failure {
            error: MirrorError::Unknown,
            reason: format!("the batch at source offset {} cannot be read: {error}", header.base_offset),
        })?;
        if header.last_offset() < self.next {
            return Ok(());
        }
        if header.base_offset > self.next {
            return Err(unsupported(format!(
                "source offsets {} to {} hold no records (compaction removed them); mirroring compacted gaps is not supported yet",
                self.next,
                header.base_offset - 1
            )));
        }
        // What becomes filler may have been covered in part before a restart: runs of filler are split anywhere.
        if header.base_offset < self.next && kind == BatchKind::Data {
            return Err(unsupported(format!(
                "offset {} lies inside the source batch that begins at {}; mirroring from inside a batch is not supported yet",
                self.next, header.base_offset
            )));
        }
        match kind {
            BatchKind::Aborted | BatchKind::Control { .. } => {
                let _ = self.filler_from.get_or_insert(self.next);
                self.next = header.next_offset();
            }
            BatchKind::Data => self.forward(batch)?,
        }
        self.run.last_epoch = header.partition_leader_epoch;
        Ok(())
    }

    fn forward(&mut self, batch: &RawBatch) -> Result<(), Failure> {
        let header = &batch.header;
        let offset = header.base_offset;
        if header.is_log_append_time() {
            return Err(unsupported(format!(
                "the source batch at offset {offset} has timestamp type LogAppendTime, which is not supported yet"
            )));
        }
        if header.has_delete_horizon() {
            return Err(unsupported(format!(
                "the source's log cleaner rewrote the batch at offset {offset}; mirroring cleaned batches is not supported yet"
            )));
        }
        invariant::batch_is_dense(offset, header.last_offset_delta, header.record_count).map_err(
            |broken| unsupported(format!("{}; mirroring compacted gaps is not supported yet", broken.what)),
        )?;
        self.flush_filler();
        let ids = self.ids(offset);
        let (head, payload) = rehead(batch, ids).map_err(|error| Failure {
            error: MirrorError::Unknown,
            reason: format!("the source batch at offset {offset} is corrupt: {error}"),
        })?;
        debug_assert_eq!(invariant::sequence_is_offset(offset, ids.base_sequence), Ok(()));
        self.next = header.next_offset();
        self.run.last_timestamp = header.max_timestamp;
        self.run.batches.push(Shaped {
            base_offset: offset,
            next_offset: self.next,
            epoch: header.partition_leader_epoch,
            header: head,
            payload,
        });
        Ok(())
    }

    fn flush_filler(&mut self) {
        let Some(mut from) = self.filler_from.take() else { return };
        while from < self.next {
            let end = self.next.min(from + MAX_FILLER_OFFSETS);
            let count = u32::try_from(end - from).unwrap_or(u32::MAX);
            let payload = filler(count, self.run.last_timestamp, self.ids(from));
            self.run.batches.push(Shaped {
                base_offset: from,
                next_offset: end,
                epoch: self.run.last_epoch,
                header: Bytes::new(),
                payload,
            });
            from = end;
        }
    }

    fn ids(&self, offset: i64) -> WriterIds {
        WriterIds {
            producer_id: self.target.producer_id,
            producer_epoch: 0,
            base_sequence: sequence_of(offset),
        }
    }
}

fn unsupported(reason: String) -> Failure {
    Failure { error: MirrorError::UnsupportedMirrorState, reason }
}

#[cfg(test)]
mod tests;
