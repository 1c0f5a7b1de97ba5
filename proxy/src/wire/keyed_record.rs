//! Batches of keyed records that Linkgate writes and reads for itself, not for a mirror.

use bytes::Bytes;

use super::batch::{Codec, RawBatch};
use super::compression::CompressionError;
use super::densify::{DensifyError, decompressed, placed, timestamp_of};
use super::record_writer::RecordWriter;
use super::rehead::WriterIds;
use super::varint::put_varint;

/// No idempotent producer.
const NOBODY: WriterIds = WriterIds { producer_id: -1, producer_epoch: -1, base_sequence: -1 };

/// A record with a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    /// Offset in its log.
    pub offset: i64,
    /// Its timestamp, in ms; the broker's where the topic has `message.timestamp.type=LogAppendTime`.
    pub timestamp: i64,
    /// The key; `None` for null.
    pub key: Option<Bytes>,
    /// The value; `None` for null.
    pub value: Option<Bytes>,
}

/// A batch of one uncompressed record, ready for Produce.
///
/// # Errors
/// Never: nothing is compressed.
pub fn keyed_batch(key: &[u8], value: &[u8], timestamp: i64) -> Result<Bytes, CompressionError> {
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

/// The records of a batch, of which at most `limit` bytes are held decompressed; none of a control batch.
///
/// # Errors
/// [`DensifyError`] when the batch cannot be read.
pub fn keyed_records(batch: &RawBatch, limit: usize) -> Result<Vec<KeyedRecord>, DensifyError> {
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
    fn what_is_written_is_read() {
        let batch = RawBatch::parse(&keyed_batch(b"key", b"value", 1_234).unwrap()).unwrap();
        assert!(batch.crc_matches());
        let records = keyed_records(&batch, 1 << 20).unwrap();
        let (key, value) = (Some(Bytes::from_static(b"key")), Some(Bytes::from_static(b"value")));
        assert_eq!(records, [KeyedRecord { offset: 0, timestamp: 1_234, key, value }]);
    }
}
