//! One record of a batch, found by its offset.

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

/// The record at `offset`; `None` when the batch has none there, or a sentinel. At most `limit` bytes are held
/// decompressed.
///
/// # Errors
/// [`DensifyError`] when the batch cannot be read.
pub fn record_at(batch: &RawBatch, offset: i64, limit: usize) -> Result<Option<Content>, DensifyError> {
    let header = &batch.header;
    let payload = decompressed(batch, limit)?;
    for record in placed(header, &payload) {
        let record = record?;
        if header.base_offset + record.offset_delta == offset && !is_sentinel(&record) {
            let tail = Bytes::copy_from_slice(record.tail);
            return Ok(Some(Content { timestamp: timestamp_of(header, &record), tail }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::batch::testing::{batch, header, records};
    use super::*;

    #[test]
    fn a_record_is_found_by_its_offset_and_a_hole_is_none() {
        let found = |batch: &RawBatch, offset| record_at(batch, offset, 1 << 20).unwrap();
        // Five offsets, records at the first three
        let mut sparse = header(40, 5);
        sparse.record_count = 3;
        let sparse = batch(sparse, &records(3));
        let content = found(&sparse, 42).unwrap();
        assert_eq!(
            (content.timestamp, &content.tail[..]),
            (sparse.header.base_timestamp, &[2, b'k', 2, b'v', 0][..])
        );
        assert_eq!(found(&sparse, 43), None);
        assert_eq!(found(&sparse, 39), None);
        assert!(record_at(&batch(header(0, 2), &records(1)), 1, 1 << 20).is_err());
    }
}
