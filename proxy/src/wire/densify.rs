//! A source batch with holes, re-encoded so that every offset holds a record.
//!
//! Brokers append only batches with as many records as offsets. What the source's log cleaner thinned out therefore gets
//! sentinel records in its holes and becomes *mixed* (see [`super::filler`]). The same way serve batches that must not
//! travel as they are for another reason: LogAppendTime, a position inside the batch, records without a key on the way to a
//! compacted topic. Keys, values and headers are copied as they stand; only deltas are written anew.
//!
//! A batch may become several: long holes, and what would make a batch larger than its source's, stand alone. So hostile
//! offsets cost no memory.

use bytes::Bytes;

use super::batch::{BatchHeader, Codec, RawBatch};
use super::compression::{CompressionError, decompress};
use super::filler::{MIXED_BASE_TIMESTAMP, Mark, SENTINEL_TAIL, is_magic, is_sentinel};
use super::record::{RecordError, RecordView, records};
use super::record_writer::RecordWriter;
use super::rehead::{CrcMismatch, WriterIds, verify_crc};
use super::sequence::sequence_of;
use super::source_marks::mark_in_source;
use plan::{Piece, plan};

mod plan;

/// Decompressed bytes of one batch that mirror and gateway are willing to hold.
pub const MAX_DECOMPRESSED: usize = 128 << 20;

/// What the destination asks for.
#[derive(Debug, Clone, Copy)]
pub struct DensifyOptions {
    /// Most decompressed bytes to hold; [`MAX_DECOMPRESSED`], so that the gateway can read what was written.
    pub limit: usize,
    /// Whether records without a key are left out, as a compacted topic refuses them.
    pub drop_unkeyed: bool,
}

/// A batch ready for Produce, or a hole that the caller covers with filler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// First offset.
    pub base_offset: i64,
    /// Last offset + 1.
    pub next_offset: i64,
    /// The whole batch: base offset 0, leader epoch -1, our identifiers, CRC. Empty where `records` is 0.
    pub bytes: Bytes,
    /// Timestamp of the last real record up to here, in ms; the preceding one where there is none.
    pub last_timestamp: i64,
    /// Real records in it.
    pub records: usize,
    /// Records left out because they have no key.
    pub unkeyed: usize,
    /// Whether sentinels are among the records.
    pub mixed: bool,
    /// Bytes that the records of the source batch were decompressed to; 0 in all pieces but the first.
    pub decompressed: u64,
}

/// A source batch that cannot be re-encoded.
#[derive(Debug, thiserror::Error)]
pub enum DensifyError {
    /// Its bytes are not what its CRC says.
    #[error(transparent)]
    Damaged(#[from] CrcMismatch),
    /// Its codec fails, or it is too large.
    #[error("batch at offset {offset}: {source}")]
    Compression {
        /// Its base offset.
        offset: i64,
        /// What is wrong.
        source: CompressionError,
    },
    /// Its records are not what its header counts.
    #[error("batch at offset {offset}: {source}")]
    Records {
        /// Its base offset.
        offset: i64,
        /// What is wrong.
        source: RecordError,
    },
    /// A record stands at an offset that cannot be: not behind the one before it, or outside the batch.
    #[error(
        "batch at offset {offset}: the record with offset delta {delta} is out of place, {next} to {last} is allowed"
    )]
    OutOfPlace {
        /// Its base offset.
        offset: i64,
        /// The record's offset delta.
        delta: i64,
        /// The smallest that it may be.
        next: i64,
        /// The largest.
        last: i64,
    },
    /// Markers have no records for clients.
    #[error("batch at offset {offset} is a control batch")]
    Control {
        /// Its base offset.
        offset: i64,
    },
    /// The position asked for is not in the batch.
    #[error("offset {from} is not in the batch from {base_offset} to {last_offset}")]
    Outside {
        /// What was asked for.
        from: i64,
        /// First offset of the batch.
        base_offset: i64,
        /// Last offset of the batch.
        last_offset: i64,
    },
    /// Holes in a number that no log cleaner leaves.
    #[error(
        "batch at offset {offset} spans {span} offsets with so many long holes that it would become more than {limit} batches"
    )]
    TooSparse {
        /// Its base offset.
        offset: i64,
        /// Offsets that it spans.
        span: i64,
        /// How many batches are allowed.
        limit: usize,
    },
    /// Batches that are no run of dense ones of one codec.
    #[error("batch at offset {offset} cannot be joined to the one before it: {what}")]
    NoRun {
        /// Its base offset.
        offset: i64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Re-encodes a source data batch so that every offset from `from` to its end holds a record: its own, or a sentinel with the
/// timestamp of the record before it (`preceding_timestamp` where there is none, in ms).
///
/// `from` may lie inside the batch: records below it are left out. `ids.base_sequence` is that of `from`. The pieces
/// follow one another; nearly always there is one. Those with no real record are empty: the caller writes filler there.
///
/// Records of a LogAppendTime batch get the batch's maximum timestamp, which is what clients see, and the bit is cleared;
/// so are the delete-horizon and transactional bits. Sentinels count as holes where the source batch bears a mark of filler:
/// then the source is a mirror, or was one. In any other batch a record that looks like one is a record; it never comes into
/// a mixed batch, where the gateway would hide it. Same codec as the source. A piece that has no sentinel does not bear the
/// mark of a mixed batch.
///
/// # Errors
/// [`DensifyError`] for a batch that is damaged, larger than `options.limit`, or cannot be.
pub fn densify(
    batch: &RawBatch,
    from: i64,
    preceding_timestamp: i64,
    ids: WriterIds,
    options: DensifyOptions,
) -> Result<Vec<Dense>, DensifyError> {
    let header = &batch.header;
    let offset = header.base_offset;
    if header.is_control() {
        return Err(DensifyError::Control { offset });
    }
    if from < offset || from > header.last_offset() {
        return Err(DensifyError::Outside { from, base_offset: offset, last_offset: header.last_offset() });
    }
    verify_crc(batch)?;
    let payload = decompressed(batch, options.limit)?;
    let keeping = Keeping::new(header, &payload, from, options.drop_unkeyed);
    let pieces = plan(header, &payload, keeping)?;
    let mut writing =
        Writing { header, kept: kept(header, &payload, keeping), last_timestamp: preceding_timestamp };
    let write = |piece: &Piece| {
        let skipped = piece.base_offset - from;
        writing.piece(piece, WriterIds { base_sequence: advanced(ids.base_sequence, skipped), ..ids })
    };
    let mut written = pieces.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = written.first_mut() {
        first.decompressed = payload.len() as u64;
    }
    Ok(written)
}

/// The records of a batch, decompressed; not copied where they are not compressed.
pub(super) fn decompressed(batch: &RawBatch, limit: usize) -> Result<Bytes, DensifyError> {
    let payload = batch.payload();
    match batch.header.codec() {
        Codec::None if payload.len() <= limit => Ok(payload),
        codec => decompress(codec, &payload, limit)
            .map_err(|source| DensifyError::Compression { offset: batch.header.base_offset, source }),
    }
}

/// The timestamp of a record as clients see it.
pub(super) fn timestamp_of(header: &BatchHeader, record: &RecordView<'_>) -> i64 {
    match header.is_log_append_time() {
        true => header.max_timestamp,
        false => header.base_timestamp.wrapping_add(record.timestamp_delta),
    }
}

/// A base timestamp for records of which the first has `timestamp`: that, unless it is magic.
pub(super) fn plain_base(timestamp: i64) -> i64 {
    if is_magic(timestamp) { timestamp + 1 } else { timestamp }
}

/// The sequence of the record `offsets` behind the one with `sequence`.
fn advanced(sequence: i32, offsets: i64) -> i32 {
    sequence_of(i64::from(sequence) + offsets)
}

/// A record in its place, or why the batch cannot be.
pub(super) type Placed<'a> = Result<RecordView<'a>, DensifyError>;

/// Which records of a batch stay records.
#[derive(Debug, Clone, Copy)]
struct Keeping {
    from: i64,
    drop_unkeyed: bool,
    /// The source is a mirror, or was one: sentinels are holes.
    of_a_mirror: bool,
    /// Records of a client look like sentinels: holes must stand alone.
    alike: bool,
}

impl Keeping {
    fn new(header: &BatchHeader, payload: &[u8], from: i64, drop_unkeyed: bool) -> Self {
        let of_a_mirror = mark_in_source(header) != Mark::Real;
        let alike = |record: Placed<'_>| record.is_ok_and(|record| is_sentinel(&record));
        let alike = !of_a_mirror && placed(header, payload).any(alike);
        Keeping { from, drop_unkeyed, of_a_mirror, alike }
    }

    /// Whether a record becomes a hole for what it is; where it stands is another question.
    fn is_hole(self, record: &RecordView<'_>) -> bool {
        self.of_a_mirror && is_sentinel(record)
    }

    fn is_unkeyed(self, record: &RecordView<'_>) -> bool {
        self.drop_unkeyed && record.key.is_none()
    }
}

/// The records that stay records.
fn kept<'a>(
    header: &'a BatchHeader,
    payload: &'a [u8],
    keeping: Keeping,
) -> impl Iterator<Item = Placed<'a>> {
    placed(header, payload).filter(move |record| match record {
        Ok(record) => {
            let reached = header.base_offset + record.offset_delta >= keeping.from;
            reached && !keeping.is_hole(record) && !keeping.is_unkeyed(record)
        }
        Err(_) => true,
    })
}

/// All records, with their offsets checked.
pub(super) fn placed<'a>(header: &'a BatchHeader, payload: &'a [u8]) -> impl Iterator<Item = Placed<'a>> {
    let (offset, last) = (header.base_offset, i64::from(header.last_offset_delta));
    let mut next = 0;
    records(payload, header.record_count).map(move |record| {
        let record = record.map_err(|source| DensifyError::Records { offset, source })?;
        let delta = record.offset_delta;
        if delta < next || delta > last {
            return Err(DensifyError::OutOfPlace { offset, delta, next, last });
        }
        next = delta + 1;
        Ok(record)
    })
}

struct Writing<'a, I> {
    header: &'a BatchHeader,
    /// The records not yet written.
    kept: I,
    last_timestamp: i64,
}

impl<'a, I: Iterator<Item = Placed<'a>>> Writing<'a, I> {
    fn piece(&mut self, piece: &Piece, ids: WriterIds) -> Result<Dense, DensifyError> {
        let bytes = if piece.records == 0 { Bytes::new() } else { self.batch(piece, ids)? };
        Ok(Dense {
            base_offset: piece.base_offset,
            next_offset: piece.next_offset,
            bytes,
            last_timestamp: self.last_timestamp,
            records: piece.records,
            unkeyed: piece.unkeyed,
            mixed: piece.is_mixed(),
            decompressed: 0,
        })
    }

    fn batch(&mut self, piece: &Piece, ids: WriterIds) -> Result<Bytes, DensifyError> {
        let mut writer: Option<RecordWriter> = None;
        let mut next = piece.base_offset;
        for record in self.kept.by_ref().take(piece.records) {
            let record = record?;
            let timestamp = timestamp_of(self.header, &record);
            let offset = self.header.base_offset + record.offset_delta;
            let writer = writer.get_or_insert_with(|| {
                let base = if piece.is_mixed() { MIXED_BASE_TIMESTAMP } else { plain_base(timestamp) };
                RecordWriter::new(base, piece.size)
            });
            for _ in next..offset {
                writer.push(self.last_timestamp, 0, &SENTINEL_TAIL);
            }
            writer.push(timestamp, record.attributes, record.tail);
            self.last_timestamp = timestamp;
            next = offset + 1;
        }
        let mut writer = writer.unwrap_or_else(|| RecordWriter::new(MIXED_BASE_TIMESTAMP, 0));
        for _ in next..piece.next_offset {
            writer.push(self.last_timestamp, 0, &SENTINEL_TAIL);
        }
        let offset = self.header.base_offset;
        writer.finish(self.header.codec(), ids).map_err(|source| DensifyError::Compression { offset, source })
    }
}

#[cfg(test)]
mod tests;
