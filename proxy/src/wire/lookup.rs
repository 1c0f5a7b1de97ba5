//! One record of a batch, found by its offset or the nearest below it.

use bytes::Bytes;

use super::batch::RawBatch;
use super::densify::{DensifyError, decompressed, placed, timestamp_of};
use super::filler::is_sentinel;

/// What a client sees of a record, its offset aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its timestamp, in ms.
    pub timestamp: i64,
    /// Key, value and headers, as on the wire.
    pub tail: Bytes,
}

/// The last record at `offset` or before it, and its own offset; `None` when the batch has none there but sentinels. At most `limit` bytes
/// are held decompressed.
///
/// # Errors
/// [`DensifyError`] when the batch cannot be read.
pub fn last_record(
    batch: &RawBatch,
    offset: i64,
    limit: usize,
) -> Result<Option<(i64, Content)>, DensifyError> {
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
        (at, Content { timestamp: timestamp_of(header, &record), tail })
    }))
}

#[cfg(test)]
mod tests {
    use super::super::batch::testing::{batch, header, records};
    use super::*;

    #[test]
    fn a_record_is_found_by_its_offset_and_a_hole_has_the_one_before_it() {
        let found = |batch: &RawBatch, offset| last_record(batch, offset, 1 << 20).unwrap();
        // Five offsets, records at the first three
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
