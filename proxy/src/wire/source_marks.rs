//! What a batch of a source is worth that looks like filler: the source may be a mirror itself, or its producer lies (ADR 0022).

use super::batch::{BatchHeader, RawBatch};
use super::densify::decompressed;
use super::filler::{MAX_FILLER_RECORDS, Mark, SENTINEL_TAIL, is_sentinel, mark};
use super::record::records;
use super::sequence::sequence_of;

/// What a batch of a *source* log is, if the source is a mirror itself: its mark, where its sequence is that which a mirror gives
/// the offset, or that of a fence. What it holds has to be looked at all the same.
#[must_use]
pub fn mark_in_source(header: &BatchHeader) -> Mark {
    let appended = header.producer_epoch == 0 && header.base_sequence == sequence_of(header.base_offset);
    let fence = header.producer_epoch > 0 && header.base_sequence == 0 && header.last_offset_delta == 0;
    if appended || fence { mark(header) } else { Mark::Real }
}

/// Most bytes that the records of a filler batch of so many are.
#[must_use]
pub fn most_bytes(count: i32) -> u64 {
    u64::from(count.unsigned_abs()) * (1 + 1 + 10 + 5 + SENTINEL_TAIL.len() as u64)
}

/// Whether a batch holds a sentinel at each of its offsets and nothing else: what filler is made of, under whatever header.
///
/// At most [`MAX_FILLER_RECORDS`] records are looked at, so that the work is bounded; a batch of more is not what [`super::filler`]
/// writes.
#[must_use]
pub fn holds_only_sentinels(batch: &RawBatch) -> bool {
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
