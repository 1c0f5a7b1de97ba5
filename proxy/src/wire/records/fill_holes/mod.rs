//! Re-encodes a source batch with holes so that every offset holds a record.
//!
//! Brokers append a batch only if it has as many records as offsets. So a batch that the source's log cleaner
//! thinned out gets sentinel records in its holes and becomes *mixed* (see [`crate::wire::records::filler`]). The same code
//! handles batches that must be re-encoded for another reason: LogAppendTime, a position inside the batch,
//! records without a key for a compacted topic. Keys, values and headers are copied unchanged; only deltas
//! change.
//!
//! One batch may become several pieces: a long hole is a piece of its own, and the records are split where a
//! batch would become larger than its source. So hostile offsets cost no memory.

use crate::wire::records::read::Placed;
use crate::wire::records::read::RecordsError;
use crate::wire::records::read::decompressed;
use crate::wire::records::read::placed;
use crate::wire::records::read::plain_base;
use crate::wire::records::read::timestamp_of;
use bytes::Bytes;

use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::fill_holes::plan::{HolePiece, plan};
use crate::wire::records::filler::{FillerKind, MIXED_BASE_TIMESTAMP, SENTINEL_TAIL, is_sentinel};
use crate::wire::records::record::RecordView;
use crate::wire::records::record_writer::RecordWriter;
use crate::wire::records::rewrite_header::{WriterIds, verify_crc};
use crate::wire::records::sequence::sequence_of;
use crate::wire::records::source_marks::mark_in_source;

pub(crate) mod plan;

/// Maximum decompressed size of one batch that the mirror holds in memory, in bytes.
pub(crate) const MAX_DECOMPRESSED: usize = 128 << 20;

/// Options for [`fill_holes`].
#[derive(Debug, Clone, Copy)]
pub struct FillHolesOptions {
    /// Maximum decompressed size of the source batch, in bytes. At most [`MAX_DECOMPRESSED`], so that the
    /// gateway can read what is written.
    pub limit: usize,
    /// True to leave out records without a key, because a compacted topic refuses them.
    pub drop_unkeyed: bool,
}

/// A batch ready for Produce, or a hole that the caller covers with filler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// First offset.
    pub base_offset: i64,
    /// Last offset plus 1.
    pub next_offset: i64,
    /// The whole batch: base offset 0, leader epoch -1, the given producer ids, and the CRC. Empty if
    /// `records` is 0.
    pub bytes: Bytes,
    /// Timestamp of the last real record up to here, in ms; the preceding timestamp if there is none.
    pub last_timestamp: i64,
    /// Number of real records (not sentinels).
    pub records: usize,
    /// Number of records that were left out because they have no key.
    pub unkeyed: usize,
    /// True if the batch contains sentinels besides real records.
    pub mixed: bool,
    /// Decompressed size of the source batch's records, in bytes; 0 in all pieces except the first.
    pub decompressed: u64,
}

/// Re-encodes a source data batch so that every offset from `from` to its end holds a record: its own, or a
/// sentinel. A sentinel gets the timestamp of the record before it, or `preceding_timestamp` (in ms) if there
/// is none.
///
/// `from` may lie inside the batch: records below it are left out. `ids.base_sequence` is the sequence of
/// `from`. The result is a list of consecutive pieces, nearly always just one. A piece without real records
/// has no bytes: the caller writes filler there.
///
/// The codec stays the same. Records of a LogAppendTime batch get the maximum timestamp of the batch, which
/// is what clients see, and the LogAppendTime bit is cleared. The delete-horizon and transactional bits are
/// cleared too. Sentinels count as holes if the source batch has a mark of filler: the source is then a
/// mirror, or was one. In any other batch, a record that looks like a sentinel is a normal record. Such a
/// record never goes into a mixed batch, where the gateway would hide it. A piece without sentinels does not
/// get the mark of a mixed batch.
///
/// # Errors
/// Fails if the batch is damaged, invalid, or larger than `options.limit` when decompressed.
pub fn fill_holes(
    batch: &RawBatch,
    from: i64,
    preceding_timestamp: i64,
    ids: WriterIds,
    options: FillHolesOptions,
) -> Result<Vec<Dense>, RecordsError> {
    let header = &batch.header;
    let offset = header.base_offset;
    if header.is_control() {
        return Err(RecordsError::Control { offset });
    }
    if from < offset || from > header.last_offset() {
        return Err(RecordsError::Outside { from, base_offset: offset, last_offset: header.last_offset() });
    }
    verify_crc(batch)?;
    let payload = decompressed(batch, options.limit)?;
    let keeping = Keeping::new(header, &payload, from, options.drop_unkeyed);
    let pieces = plan(header, &payload, keeping)?;
    let mut writing =
        Writing { header, kept: kept(header, &payload, keeping), last_timestamp: preceding_timestamp };
    let write = |piece: &HolePiece| {
        let skipped = piece.base_offset - from;
        writing.piece(piece, WriterIds { base_sequence: advanced(ids.base_sequence, skipped), ..ids })
    };
    let mut written = pieces.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = written.first_mut() {
        first.decompressed = payload.len() as u64;
    }
    Ok(written)
}

/// Returns the sequence of the record that is `offsets` after the one with `sequence`.
fn advanced(sequence: i32, offsets: i64) -> i32 {
    sequence_of(i64::from(sequence) + offsets)
}

/// Rules by which the records of a batch stay records or become holes.
#[derive(Debug, Clone, Copy)]
struct Keeping {
    from: i64,
    drop_unkeyed: bool,
    /// True if the source is a mirror, or was one: sentinels are holes.
    of_a_mirror: bool,
    /// True if a client's record looks like a sentinel: each hole must be a piece of its own.
    alike: bool,
}

impl Keeping {
    fn new(header: &BatchHeader, payload: &[u8], from: i64, drop_unkeyed: bool) -> Self {
        let of_a_mirror = mark_in_source(header) != FillerKind::Real;
        let alike = |record: Placed<'_>| record.is_ok_and(|record| is_sentinel(&record));
        let alike = !of_a_mirror && placed(header, payload).any(alike);
        Keeping { from, drop_unkeyed, of_a_mirror, alike }
    }

    /// Returns true if a record is a sentinel that becomes a hole. Does not look at the record's offset.
    fn is_hole(self, record: &RecordView<'_>) -> bool {
        self.of_a_mirror && is_sentinel(record)
    }

    fn is_unkeyed(self, record: &RecordView<'_>) -> bool {
        self.drop_unkeyed && record.key.is_none()
    }
}

/// Returns the records that stay records.
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

struct Writing<'a, I> {
    header: &'a BatchHeader,
    /// Records that are not written yet.
    kept: I,
    last_timestamp: i64,
}

impl<'a, I: Iterator<Item = Placed<'a>>> Writing<'a, I> {
    fn piece(&mut self, piece: &HolePiece, ids: WriterIds) -> Result<Dense, RecordsError> {
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

    fn batch(&mut self, piece: &HolePiece, ids: WriterIds) -> Result<Bytes, RecordsError> {
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
        writer.finish(self.header.codec(), ids).map_err(|source| RecordsError::Compression { offset, source })
    }
}

#[cfg(test)]
mod tests;
