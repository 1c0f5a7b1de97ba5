//! Writes and reads batches of keyed records for Linkgate's own topic, not for a mirror.

use bytes::Bytes;

use crate::wire::protocol::varint::put_varint;
use crate::wire::records::batch::{Codec, RawBatch};
use crate::wire::records::compression::CompressionError;
use crate::wire::records::read::{RecordsError, decompressed, placed, timestamp_of};
use crate::wire::records::record_writer::RecordWriter;
use crate::wire::records::rewrite_header::WriterIds;

/// Ids of a producer that is not idempotent.
const NOBODY: WriterIds = WriterIds { producer_id: -1, producer_epoch: -1, base_sequence: -1 };

/// A record with a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyedRecord {
    /// Offset of the record in its log.
    pub offset: i64,
    /// Timestamp in ms. The broker sets it if the topic has `message.timestamp.type=LogAppendTime`.
    pub timestamp: i64,
    /// The key; `None` for null.
    pub key: Option<Bytes>,
    /// The value; `None` for null.
    pub value: Option<Bytes>,
}

/// Builds a batch of one uncompressed record, ready for Produce.
///
/// # Errors
/// Never fails, because nothing is compressed.
pub(crate) fn keyed_batch(key: &[u8], value: &[u8], timestamp: i64) -> Result<Bytes, CompressionError> {
    let mut tail = Vec::with_capacity(key.len() + value.len() + 8);
    for part in [key, value] {
        put_varint(&mut tail, part.len() as i64);
        tail.extend_from_slice(part);
    }
    // No headers.
    put_varint(&mut tail, 0);
    let mut records = RecordWriter::new(timestamp, tail.len() + 16);
    records.push(timestamp, 0, &tail);
    records.finish(Codec::None, NOBODY)
}

/// Returns the records of a batch; none for a control batch. Holds at most `limit` decompressed bytes.
///
/// # Errors
/// Fails if the batch cannot be read, or if its records are larger than `limit`.
pub(crate) fn keyed_records(batch: &RawBatch, limit: usize) -> Result<Vec<KeyedRecord>, RecordsError> {
    let header = &batch.header;
    if header.is_control() {
        return Ok(Vec::new());
    }
    let payload = decompressed(batch, limit)?;
    placed(header, &payload)
        .map(|record| {
            let record = record?;
            Ok(KeyedRecord {
                offset: header.base_offset + record.offset_delta,
                timestamp: timestamp_of(header, &record),
                key: record.key.map(Bytes::copy_from_slice),
                value: record.value.map(Bytes::copy_from_slice),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_keyed_batch_reads_back() {
        let batch = RawBatch::parse(&keyed_batch(b"key", b"value", 1_234).unwrap()).unwrap();
        assert!(batch.crc_matches());
        let records = keyed_records(&batch, 1 << 20).unwrap();
        let (key, value) = (Some(Bytes::from_static(b"key")), Some(Bytes::from_static(b"value")));
        assert_eq!(records, [KeyedRecord { offset: 0, timestamp: 1_234, key, value }]);
    }
}
