//! Finds a record of a batch by its offset, or else the nearest record before that offset.

use bytes::Bytes;

use crate::wire::records::batch::RawBatch;
use crate::wire::records::filler::is_sentinel;
use crate::wire::records::read::{RecordsError, decompressed, placed, timestamp_of};

/// The part of a record that a client sees, without its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordContent {
    /// Timestamp in ms.
    pub timestamp: i64,
    /// Key, value and headers, in wire format.
    pub tail: Bytes,
}

/// Returns the last record at or before `offset`, and its own offset. Returns `None` if the batch has no
/// record there, or only sentinels. Holds at most `limit` decompressed bytes.
///
/// # Errors
/// Fails if the batch cannot be read, or if its records are larger than `limit`.
pub(crate) fn last_record(
    batch: &RawBatch,
    offset: i64,
    limit: usize,
) -> Result<Option<(i64, RecordContent)>, RecordsError> {
    let header = &batch.header;
    let payload = decompressed(batch, limit)?;
    let mut last = None;
    for record in placed(header, &payload) {
        let record = record?;
        let at = header.base_offset + record.offset_delta;
        if at <= offset && !is_sentinel(&record) {
            last = Some((at, record));
        }
    }
    Ok(last.map(|(at, record)| {
        let tail = Bytes::copy_from_slice(record.tail);
        (at, RecordContent { timestamp: timestamp_of(header, &record), tail })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::batch::testing::{batch, header, records};

    #[test]
    fn a_record_is_found_by_offset_and_a_hole_yields_the_record_before_it() {
        let found = |batch: &RawBatch, offset| last_record(batch, offset, 1 << 20).unwrap();
        // Five offsets, with records at the first three.
        let mut sparse = header(40, 5);
        sparse.record_count = 3;
        let sparse = batch(sparse, &records(3));
        let (at, content) = found(&sparse, 42).unwrap();
        assert_eq!(at, 42);
        assert_eq!(
            (content.timestamp, &content.tail[..]),
            (sparse.header.base_timestamp, &[2, b'k', 2, b'v', 0][..])
        );
        assert_eq!(found(&sparse, 43).map(|(at, _)| at), Some(42), "the one before the hole");
        assert_eq!(found(&sparse, 39), None);
        assert!(last_record(&batch(header(0, 2), &records(1)), 1, 1 << 20).is_err());
    }
}
