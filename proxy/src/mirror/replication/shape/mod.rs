//! Shapes what a fetch brought into pieces to append. Pure; works on one partition at a time.
//!
//! Data of committed transactions and data without a transaction keep their payload and get new identifiers
//! in the header. Small batches in a row are joined ([`small_batches`]). Offsets that hold nothing for a
//! read_committed reader become filler: transaction markers, aborted data, what a log cleaner or a mirror
//! left empty, gaps. A batch that stock brokers would not take as it is (holes inside, timestamps set by the
//! broker, begun before our position) is re-encoded with its records untouched. What cannot be mirrored stops
//! the partition at its offset, with a reason; everything before it is still appended.

pub(crate) mod output;
pub(crate) mod small_batches;

use bytes::Bytes;
use state::invariant;
use state::model::MirrorError;

pub(crate) use self::output::{MAX_FILLER_OFFSETS, OffsetGap, Piece, Shaped};
pub use self::small_batches::JOINED_BYTES;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::shape::small_batches::SmallBatches;
use crate::wire::records::aborted::{AbortedTransaction, BatchKind, CommittedFilter};
use crate::wire::records::batch::{BatchHeader, Codec, RawBatch};
use crate::wire::records::compression::CompressionError;
use crate::wire::records::fill_holes::{Dense, FillHolesOptions, MAX_DECOMPRESSED, fill_holes};
use crate::wire::records::filler::{FillerKind, is_magic};
use crate::wire::records::read::RecordsError;
use crate::wire::records::rewrite_header::{WriterIds, rewrite_header};
use crate::wire::records::sequence::sequence_of;
use crate::wire::records::shift_deltas::{MAX_STREAMED, restamp};
use crate::wire::records::source_marks::{holds_only_sentinels, mark_in_source, most_bytes};
use crate::wire::records::walk::walk;

/// Decompressed size from which on a dense batch is re-encoded record by record, in bytes. That is slower,
/// but takes little memory.
const STREAMED_FROM: usize = 16 << 20;
/// Decompressed bytes of one answer after which the rest is left to the next fetch, so that other partitions
/// get their turn.
const MOST_REENCODED: u64 = 64 << 20;
/// Number of small compressed batches from which on joining them counts as heavy work ([`is_heavy`]).
const MANY_SMALL: usize = 64;

/// Pieces in offset order without gaps, and the reason if shaping stopped.
#[derive(Debug, Default)]
pub struct ShapeOutput {
    /// Pieces to append, in this order.
    pub pieces: Vec<Piece>,
    /// Timestamp of the last real record, in milliseconds; -1 if there was none yet.
    pub last_timestamp: i64,
    /// Leader epoch of the last source batch; -1 if there is none.
    pub last_epoch: i32,
    /// Number of records without a key that were left out, because the topic is compacted
    /// ([`ShapeTarget::unkeyed_below`]).
    pub unkeyed: usize,
    /// Reason why the partition can go no further than the end of `pieces`; `None` if it can.
    pub stop: Option<PartitionFailure>,
}

/// Parameters of the partition for shaping.
#[derive(Debug, Clone, Copy)]
pub struct ShapeTarget {
    /// Offset that the first piece must have.
    pub next_offset: i64,
    /// Timestamp for filler that comes first; -1 if there is no earlier record.
    pub last_timestamp: i64,
    /// Reserved producer id.
    pub producer_id: i64,
    /// Records without a key become filler in batches that end below this offset: the topic is compacted on
    /// both sides, a compacted topic refuses such records, and the source's cleaner is about to remove them.
    /// 0 for none.
    pub unkeyed_below: i64,
    /// Maximum size of small batches joined into one, in bytes: [`JOINED_BYTES`], or less if the topic takes
    /// less.
    pub join_bytes: usize,
}

impl ShapeTarget {
    fn drops_unkeyed(&self, header: &BatchHeader) -> bool {
        header.last_offset() < self.unkeyed_below
    }
}

/// Shapes the `records` of one partition's fetch response (isolation level read_committed).
///
/// A trailing partial batch is ignored, as in every Kafka client: the next fetch brings it whole.
#[must_use]
pub fn shape(records: &Bytes, aborted: Vec<AbortedTransaction>, target: ShapeTarget) -> ShapeOutput {
    let mut shaping = Shaping {
        target,
        next: target.next_offset,
        filler_from: None,
        reencoded: 0,
        small: SmallBatches::new(target.join_bytes),
        run: ShapeOutput { last_timestamp: target.last_timestamp, last_epoch: -1, ..ShapeOutput::default() },
    };
    let mut committed = CommittedFilter::new(aborted);
    for batch in walk(records) {
        let step = match batch {
            // The rest is fetched again.
            Ok(_) if shaping.reencoded >= MOST_REENCODED => break,
            Ok(batch) => shaping.take(&batch, &mut committed),
            Err(error) => Err(PartitionFailure {
                error: MirrorError::UnsupportedMessageFormat,
                reason: format!("at source offset {}: {error}", shaping.next),
            }),
        };
        if let Err(failure) = step {
            shaping.run.stop = Some(failure);
            break;
        }
    }
    // What came before the failure is still appended, unless flushing it fails too.
    if let Err(failure) = shaping.flush_small() {
        shaping.run.stop = Some(failure);
    } else {
        shaping.flush_filler();
    }
    shaping.run
}

struct Shaping {
    target: ShapeTarget,
    /// Next offset. Everything below is in `run`, `small` or the offset gap.
    next: i64,
    filler_from: Option<i64>,
    /// Decompressed bytes of the batches that were re-encoded or inspected.
    reencoded: u64,
    small: SmallBatches,
    run: ShapeOutput,
}

impl Shaping {
    fn take(&mut self, batch: &RawBatch, committed: &mut CommittedFilter) -> Result<(), PartitionFailure> {
        let header = &batch.header;
        // The filter must see every batch, also those before our position: a marker there ends a transaction.
        let kind = committed.classify(batch).map_err(|error| PartitionFailure {
            error: MirrorError::Unknown,
            reason: format!("the batch at source offset {} cannot be read: {error}", header.base_offset),
        })?;
        if header.last_offset() < self.next {
            return Ok(());
        }
        if header.base_offset > self.next {
            self.skip_to(header.base_offset)?;
        }
        let holds_nothing = kind != BatchKind::Data || header.record_count == 0 || self.is_filler(batch);
        if holds_nothing {
            self.skip_to(header.next_offset())?;
        } else if self.travels_as_it_is(batch) {
            self.forward(batch)?;
        } else {
            self.reencode(batch)?;
        }
        self.run.last_epoch = header.partition_leader_epoch;
        Ok(())
    }

    /// Returns true if a batch of the source is filler: it bears the mark and holds only sentinels. Then the
    /// source is a mirror itself, or was one. The header alone proves nothing, since a broker takes any
    /// header from any producer.
    fn is_filler(&mut self, batch: &RawBatch) -> bool {
        if mark_in_source(&batch.header) != FillerKind::Filler {
            return false;
        }
        let template = output::template();
        if template.made(batch) {
            return true;
        }
        self.reencoded += most_bytes(batch.header.record_count);
        holds_only_sentinels(batch)
    }

    /// Makes the offsets up to `to` part of an offset gap.
    fn skip_to(&mut self, to: i64) -> Result<(), PartitionFailure> {
        self.flush_small()?;
        let _ = self.filler_from.get_or_insert(self.next);
        self.next = to;
        Ok(())
    }

    fn travels_as_it_is(&self, batch: &RawBatch) -> bool {
        batch.header.base_offset == self.next && fits_as_it_is(&batch.header, &self.target)
    }

    fn forward(&mut self, batch: &RawBatch) -> Result<(), PartitionFailure> {
        self.flush_filler();
        if !self.small.takes(batch) {
            self.flush_small()?;
        }
        self.next = batch.header.next_offset();
        self.run.last_timestamp = batch.header.max_timestamp;
        if !self.small.add(batch) {
            self.push_forwarded(batch)?;
        }
        Ok(())
    }

    /// Adds one batch under a new header.
    fn push_forwarded(&mut self, batch: &RawBatch) -> Result<(), PartitionFailure> {
        let header = &batch.header;
        let ids = self.ids(header.base_offset);
        let (head, payload) = rewrite_header(batch, ids).map_err(|error| PartitionFailure {
            error: MirrorError::Unknown,
            reason: format!("the source batch at offset {} is corrupt: {error}", header.base_offset),
        })?;
        debug_assert_eq!(invariant::sequence_is_offset(header.base_offset, ids.base_sequence), Ok(()));
        self.run.pieces.push(Piece::Batch(Shaped {
            base_offset: header.base_offset,
            next_offset: header.next_offset(),
            epoch: header.partition_leader_epoch,
            header: head,
            payload,
            joined: false,
            filler: false,
        }));
        Ok(())
    }

    /// Adds the small batches that were held back, joined into one. If they cannot be joined, adds them one
    /// by one and leaves the judgement to the broker.
    fn flush_small(&mut self) -> Result<(), PartitionFailure> {
        let held = self.small.take();
        let [first, .., last] = held.as_slice() else {
            return held.iter().try_for_each(|batch| self.push_forwarded(batch));
        };
        let Ok(payload) = small_batches::joined(&held, self.ids(first.header.base_offset)) else {
            return held.iter().try_for_each(|batch| self.push_forwarded(batch));
        };
        self.run.pieces.push(Piece::Batch(Shaped {
            base_offset: first.header.base_offset,
            next_offset: last.header.next_offset(),
            epoch: last.header.partition_leader_epoch,
            header: Bytes::new(),
            payload,
            joined: true,
            filler: false,
        }));
        Ok(())
    }

    /// Re-encodes a batch that stock brokers would not take as it is, nearly always into one batch. Its
    /// records stay untouched.
    fn reencode(&mut self, batch: &RawBatch) -> Result<(), PartitionFailure> {
        self.flush_small()?;
        let from = self.next;
        let pieces = self.dense(batch).map_err(|error| PartitionFailure {
            error: MirrorError::UnsupportedMirrorState,
            reason: format!(
                "the source's records from offset {from} on cannot be re-encoded: {error}{}",
                crafted(batch)
            ),
        })?;
        for dense in pieces {
            self.run.unkeyed += dense.unkeyed;
            self.reencoded += dense.decompressed;
            if dense.records == 0 {
                self.skip_to(dense.next_offset)?;
                continue;
            }
            self.flush_filler();
            self.next = dense.next_offset;
            self.run.last_timestamp = dense.last_timestamp;
            self.run.pieces.push(Piece::Batch(Shaped {
                base_offset: dense.base_offset,
                next_offset: dense.next_offset,
                epoch: batch.header.partition_leader_epoch,
                header: Bytes::new(),
                payload: dense.bytes,
                joined: false,
                filler: false,
            }));
        }
        Ok(())
    }

    /// Makes a batch dense: in memory, or record by record if it is too large for that.
    fn dense(&self, batch: &RawBatch) -> Result<Vec<Dense>, RecordsError> {
        let (from, timestamp) = (self.next, self.run.last_timestamp);
        let drop_unkeyed = self.target.drops_unkeyed(&batch.header);
        let ids = self.ids(from);
        let streams = is_dense(&batch.header) && !drop_unkeyed;
        let limit = if streams { STREAMED_FROM } else { MAX_DECOMPRESSED };
        match fill_holes(batch, from, timestamp, ids, FillHolesOptions { limit, drop_unkeyed }) {
            Err(RecordsError::Compression { source: CompressionError::TooLarge { .. }, .. }) if streams => {
                restamp(batch, from, timestamp, ids, MAX_STREAMED).map(|dense| vec![dense])
            }
            done => done,
        }
    }

    fn flush_filler(&mut self) {
        let Some(from) = self.filler_from.take() else { return };
        let (timestamp, epoch) = (self.run.last_timestamp, self.run.last_epoch);
        self.run.pieces.push(Piece::Nothing(OffsetGap { from, to: self.next, timestamp, epoch }));
    }

    fn ids(&self, offset: i64) -> WriterIds {
        WriterIds {
            producer_id: self.target.producer_id,
            producer_epoch: 0,
            base_sequence: sequence_of(offset),
        }
    }
}

/// Returns true if a batch that begins at the position can keep its payload.
fn fits_as_it_is(header: &BatchHeader, target: &ShapeTarget) -> bool {
    // Under a header of ours, only this mirror may set a mark: no producer may, and no source that is a
    // mirror itself, whose marks are inspected. So such batches are re-encoded, and so is what a cleaner left
    // of filler in the source.
    let told_apart = !is_magic(header.base_timestamp) && mark_in_source(header) != FillerKind::Cleaned;
    is_dense(header) && told_apart && !header.is_log_append_time() && !target.drops_unkeyed(header)
}

fn is_dense(header: &BatchHeader) -> bool {
    invariant::batch_is_dense(header.base_offset, header.last_offset_delta, header.record_count).is_ok()
}

/// Returns the reason for an error text if the batch had to be re-encoded because of its producer's crafted
/// timestamp; empty otherwise.
fn crafted(batch: &RawBatch) -> &'static str {
    if is_magic(batch.header.base_timestamp) {
        "; it must be re-encoded because its producer set a base timestamp that is reserved for filler"
    } else {
        ""
    }
}

/// Returns true if shaping these records may take long: batches must be decompressed, and few bytes may
/// become many. Such work does not belong on an async worker.
#[must_use]
pub(crate) fn is_heavy(records: &Bytes, target: &ShapeTarget) -> bool {
    let (mut rest, mut small) = (&records[..], 0);
    while let Ok(header) = BatchHeader::parse(rest) {
        let Some(after) = rest.get(header.total_len()..) else { break };
        rest = after;
        let compressed = header.codec() != Codec::None && !header.is_control();
        if !compressed || header.last_offset() < target.next_offset {
            continue;
        }
        small += usize::from(small_batches::is_small(&header));
        if header.base_offset < target.next_offset || !fits_as_it_is(&header, target) || small >= MANY_SMALL {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
