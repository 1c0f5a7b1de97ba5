//! From what a fetch brought to what is appended: pure, one partition at a time.
//!
//! Data of committed transactions and of no transaction travels as it is, with new identifiers in its header; small
//! batches in a row become one ([`small`]). Offsets that hold nothing for a read_committed reader become filler:
//! transaction markers, aborted data, what a log cleaner or a mirror left empty, gaps. A batch that stock brokers would not
//! take as it is (holes inside, timestamps set by the broker, begun before our position) is re-encoded with its records
//! untouched. What cannot be mirrored stops the partition at its offset, with a reason; everything before it is still
//! appended.

mod piece;
mod small;

use bytes::Bytes;
use state::invariant;
use state::model::MirrorError;

use super::partition::Failure;
use crate::wire::aborted::{AbortedTransaction, BatchKind, CommittedFilter};
use crate::wire::batch::{BatchHeader, Codec, RawBatch};
use crate::wire::compression::CompressionError;
use crate::wire::densify::{Dense, DensifyError, DensifyOptions, MAX_DECOMPRESSED, densify};
use crate::wire::filler::{Mark, is_magic};
use crate::wire::rehead::{WriterIds, rehead};
use crate::wire::restamp::{MAX_STREAMED, restamp};
use crate::wire::sequence::sequence_of;
use crate::wire::source_marks::{holds_only_sentinels, mark_in_source, most_bytes};
use crate::wire::walk::walk;
pub use piece::{MAX_FILLER_OFFSETS, Piece, Run, Shaped};
pub use small::JOINED_BYTES;
use small::SmallBatches;

/// Decompressed bytes from which on a dense batch is re-encoded record by record: slower, in little memory.
const STREAMED_FROM: usize = 16 << 20;
/// After this many decompressed bytes an answer is taken as far as that: other partitions get their turn.
const MOST_REENCODED: u64 = 64 << 20;
/// So many small compressed batches are joined on the spot.
const MANY_SMALL: usize = 64;

/// Pieces in offset order without gaps, and where shaping stopped.
#[derive(Debug, Default)]
pub struct ShapedRun {
    /// To be appended in this order.
    pub pieces: Vec<Piece>,
    /// Timestamp of the last real record, in milliseconds; -1 when there was none yet.
    pub last_timestamp: i64,
    /// Leader epoch of the last source batch; -1 when none.
    pub last_epoch: i32,
    /// Records without a key that were left out, because the topic is compacted ([`Target::unkeyed_below`]).
    pub unkeyed: usize,
    /// Why the partition can go no further than the end of `pieces`.
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
    /// Below this offset, records without a key become filler: the topic is compacted on both sides, a compacted topic does not
    /// take them, and its source's cleaner is about to remove them. 0 for none.
    pub unkeyed_below: i64,
    /// Most bytes of small batches that are joined to one: [`JOINED_BYTES`], or less where the topic takes less.
    pub join_bytes: usize,
}

impl Target {
    fn drops_unkeyed(&self, header: &BatchHeader) -> bool {
        header.last_offset() < self.unkeyed_below
    }
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
        reencoded: 0,
        small: SmallBatches::new(target.join_bytes),
        run: ShapedRun { last_timestamp: target.last_timestamp, last_epoch: -1, ..ShapedRun::default() },
    };
    let mut committed = CommittedFilter::new(aborted);
    for batch in walk(records) {
        let step = match batch {
            // What is left is fetched again.
            Ok(_) if shaping.reencoded >= MOST_REENCODED => break,
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
    // What came before the failure is still appended, unless it is what failed.
    if let Err(failure) = shaping.flush_small() {
        shaping.run.stop = Some(failure);
    } else {
        shaping.flush_filler();
    }
    shaping.run
}

struct Shaping {
    target: Target,
    /// Everything below is in `run`, `small` or the run of filler.
    next: i64,
    filler_from: Option<i64>,
    /// Decompressed bytes of the batches that were re-encoded, or looked into.
    reencoded: u64,
    small: SmallBatches,
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

    /// Whether a batch of the source is filler: it claims to be, and holds nothing but sentinels. Then the source is a mirror itself,
    /// or was one. The header alone proves nothing, since a broker takes any from any producer.
    fn is_filler(&mut self, batch: &RawBatch) -> bool {
        if mark_in_source(&batch.header) != Mark::Filler {
            return false;
        }
        let template = piece::template();
        if template.made(batch) {
            return true;
        }
        self.reencoded += most_bytes(batch.header.record_count);
        holds_only_sentinels(batch)
    }

    /// The offsets up to `to` hold nothing for a reader.
    fn skip_to(&mut self, to: i64) -> Result<(), Failure> {
        self.flush_small()?;
        let _ = self.filler_from.get_or_insert(self.next);
        self.next = to;
        Ok(())
    }

    fn travels_as_it_is(&self, batch: &RawBatch) -> bool {
        batch.header.base_offset == self.next && fits_as_it_is(&batch.header, &self.target)
    }

    fn forward(&mut self, batch: &RawBatch) -> Result<(), Failure> {
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

    /// One batch under a new header.
    fn push_forwarded(&mut self, batch: &RawBatch) -> Result<(), Failure> {
        let header = &batch.header;
        let ids = self.ids(header.base_offset);
        let (head, payload) = rehead(batch, ids).map_err(|error| Failure {
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

    /// Batches that were held back to travel together. What cannot be joined is for the broker to judge, one by one.
    fn flush_small(&mut self) -> Result<(), Failure> {
        let held = self.small.take();
        let [first, .., last] = held.as_slice() else {
            return held.iter().try_for_each(|batch| self.push_forwarded(batch));
        };
        let Ok(payload) = small::joined(&held, self.ids(first.header.base_offset)) else {
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

    /// A batch that has to become another one for stock brokers to take it, nearly always one; its records stay what
    /// they are.
    fn reencode(&mut self, batch: &RawBatch) -> Result<(), Failure> {
        self.flush_small()?;
        let from = self.next;
        let pieces = self.dense(batch).map_err(|error| Failure {
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

    /// In memory, and record by record where that is too large for it.
    fn dense(&self, batch: &RawBatch) -> Result<Vec<Dense>, DensifyError> {
        let (from, timestamp) = (self.next, self.run.last_timestamp);
        let drop_unkeyed = self.target.drops_unkeyed(&batch.header);
        let ids = self.ids(from);
        let streams = is_dense(&batch.header) && !drop_unkeyed;
        let limit = if streams { STREAMED_FROM } else { MAX_DECOMPRESSED };
        match densify(batch, from, timestamp, ids, DensifyOptions { limit, drop_unkeyed }) {
            Err(DensifyError::Compression { source: CompressionError::TooLarge { .. }, .. }) if streams => {
                restamp(batch, from, timestamp, ids, MAX_STREAMED).map(|dense| vec![dense])
            }
            done => done,
        }
    }

    fn flush_filler(&mut self) {
        let Some(from) = self.filler_from.take() else { return };
        let (timestamp, epoch) = (self.run.last_timestamp, self.run.last_epoch);
        self.run.pieces.push(Piece::Nothing(Run { from, to: self.next, timestamp, epoch }));
    }

    fn ids(&self, offset: i64) -> WriterIds {
        WriterIds {
            producer_id: self.target.producer_id,
            producer_epoch: 0,
            base_sequence: sequence_of(offset),
        }
    }
}

/// Whether a batch can travel as it is, where it begins at the position.
fn fits_as_it_is(header: &BatchHeader, target: &Target) -> bool {
    // A mark of ours must never come under a header of ours but where this mirror puts it: not from a producer who wrote one, nor
    // from a source that is a mirror itself, whose marks are looked into. So is what a cleaner left of filler there.
    let told_apart = !is_magic(header.base_timestamp) && mark_in_source(header) != Mark::Cleaned;
    is_dense(header) && told_apart && !header.is_log_append_time() && !target.drops_unkeyed(header)
}

fn is_dense(header: &BatchHeader) -> bool {
    invariant::batch_is_dense(header.base_offset, header.last_offset_delta, header.record_count).is_ok()
}

/// What a batch that is hard to re-encode has to be re-encoded for, where its producer chose that.
fn crafted(batch: &RawBatch) -> &'static str {
    if is_magic(batch.header.base_timestamp) {
        "; it has to be, because its producer wrote a crafted base timestamp, one that marks filler"
    } else {
        ""
    }
}

/// Whether shaping these records may take long: batches have to be decompressed, and few bytes may become many. Such work does
/// not belong on an async worker.
#[must_use]
pub fn is_heavy(records: &Bytes, target: &Target) -> bool {
    let (mut rest, mut small) = (&records[..], 0);
    while let Ok(header) = BatchHeader::parse(rest) {
        let Some(after) = rest.get(header.total_len()..) else { break };
        rest = after;
        let compressed = header.codec() != Codec::None && !header.is_control();
        if !compressed || header.last_offset() < target.next_offset {
            continue;
        }
        small += usize::from(small::is_small(&header));
        if header.base_offset < target.next_offset || !fits_as_it_is(&header, target) || small >= MANY_SMALL {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
