//! Checks source batches that look like filler: the source may be a mirror itself, or a producer may have
//! forged the batch (ADR 0022).

use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::filler::{FillerKind, MAX_FILLER_RECORDS, SENTINEL_TAIL, is_sentinel, mark};
use crate::wire::records::read::decompressed;
use crate::wire::records::record::records;
use crate::wire::records::sequence::sequence_of;

/// Returns the mark of a batch of a *source* log, for the case that the source is a mirror itself. The mark
/// counts only if the sequence is the one that a mirror gives this offset, or the one of a fence. The caller
/// must still check the records.
#[must_use]
pub(crate) fn mark_in_source(header: &BatchHeader) -> FillerKind {
    let appended = header.producer_epoch == 0 && header.base_sequence == sequence_of(header.base_offset);
    let fence = header.producer_epoch > 0 && header.base_sequence == 0 && header.last_offset_delta == 0;
    if appended || fence { mark(header) } else { FillerKind::Real }
}

/// Returns the maximum size of the records of a filler batch with `count` records, in bytes.
#[must_use]
pub(crate) fn most_bytes(count: i32) -> u64 {
    u64::from(count.unsigned_abs()) * (1 + 1 + 10 + 5 + SENTINEL_TAIL.len() as u64)
}

/// Returns true if a batch holds a sentinel at each of its offsets and nothing else. That is the content of
/// filler, whatever its header says.
///
/// Returns false for a batch of more than [`MAX_FILLER_RECORDS`] records: [`crate::wire::records::filler`] never writes one,
/// and the work stays bounded.
#[must_use]
pub(crate) fn holds_only_sentinels(batch: &RawBatch) -> bool {
    let header = &batch.header;
    let count = header.record_count;
    let dense = i64::from(count) == i64::from(header.last_offset_delta) + 1;
    if !dense || count.unsigned_abs() > MAX_FILLER_RECORDS {
        return false;
    }
    let limit = usize::try_from(most_bytes(count)).unwrap_or(usize::MAX);
    let Ok(payload) = decompressed(batch, limit) else { return false };
    let mut next = 0;
    for record in records(&payload, count) {
        match record {
            Ok(record) if is_sentinel(&record) && record.offset_delta == next => next += 1,
            _ => return false,
        }
    }
    true
}
