//! Writes records into one batch that is ready for Produce.

use bytes::Bytes;

use crate::wire::protocol::varint::{put_varint, varint_len};
use crate::wire::records::batch::{ATTRIBUTES_AT, BatchHeader, CRC_AT, Codec, HEADER_LEN, LENGTH_OVERHEAD};
use crate::wire::records::compression::{CompressionError, compress};
use crate::wire::records::rewrite_header::WriterIds;

/// Writer of one batch, with one record per offset.
#[derive(Debug)]
pub(crate) struct RecordWriter {
    base_timestamp: i64,
    max_timestamp: Option<i64>,
    count: i32,
    /// Space for the header, then the records. So an uncompressed batch can be finished in place.
    batch: Vec<u8>,
}

impl RecordWriter {
    /// Creates a writer for a batch whose timestamp deltas count from `base_timestamp`. `capacity` is an
    /// estimate of the records' size in bytes.
    pub(crate) fn new(base_timestamp: i64, capacity: usize) -> Self {
        let mut batch = Vec::with_capacity(HEADER_LEN + capacity);
        batch.resize(HEADER_LEN, 0);
        RecordWriter { base_timestamp, max_timestamp: None, count: 0, batch }
    }

    /// Appends the record at the next offset. `tail` is the part of the record after its deltas, in wire
    /// format.
    pub(crate) fn push(&mut self, timestamp: i64, attributes: i8, tail: &[u8]) {
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        put_record(&mut self.batch, attributes, timestamp_delta, i64::from(self.count), tail);
        self.count = self.count.saturating_add(1);
        self.max_timestamp = self.max_timestamp.max(Some(timestamp));
    }

    /// Returns the batch. It has base offset 0, leader epoch -1, and the maximum timestamp of its records.
    ///
    /// # Errors
    /// Fails like [`compress`].
    pub(crate) fn finish(self, codec: Codec, ids: WriterIds) -> Result<Bytes, CompressionError> {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: codec.attribute(),
            last_offset_delta: self.count.saturating_sub(1),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp.unwrap_or(-1),
            producer_id: ids.producer_id,
            producer_epoch: ids.producer_epoch,
            base_sequence: ids.base_sequence,
            record_count: self.count,
        };
        Ok(match codec {
            Codec::None => sealed_in_place(header, self.batch),
            _ => sealed(header, &compress(codec, &self.batch[HEADER_LEN..])?),
        })
    }
}

/// Joins header and payload to one batch, and sets the length and the CRC.
pub(crate) fn sealed(header: BatchHeader, payload: &[u8]) -> Bytes {
    let mut batch = Vec::with_capacity(HEADER_LEN + payload.len());
    batch.resize(HEADER_LEN, 0);
    batch.extend_from_slice(payload);
    sealed_in_place(header, batch)
}

/// Completes a batch in place: writes the header, the length and the CRC into the space before the payload.
fn sealed_in_place(mut header: BatchHeader, mut batch: Vec<u8>) -> Bytes {
    header.batch_length = batch_length(batch.len() - HEADER_LEN);
    batch[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// Returns the `batchLength` field for a payload of `payload` bytes.
pub(crate) fn batch_length(payload: usize) -> i32 {
    i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload).unwrap_or(i32::MAX)
}

/// Appends one v2 record (`DefaultRecord` of Kafka). `tail` is key, value and headers in wire format.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    attributes: i8,
    timestamp_delta: i64,
    offset_delta: i64,
    tail: &[u8],
) {
    put_head(out, attributes, timestamp_delta, offset_delta, tail.len());
    out.extend_from_slice(tail);
}

/// Appends the front of a record, up to its deltas. `tail` is the length of key, value and headers, which
/// follow.
pub(crate) fn put_head(
    out: &mut Vec<u8>,
    attributes: i8,
    timestamp_delta: i64,
    offset_delta: i64,
    tail: usize,
) {
    let length = 1 + varint_len(timestamp_delta) + varint_len(offset_delta) + tail;
    put_varint(out, length as i64);
    out.push(attributes.cast_unsigned());
    put_varint(out, timestamp_delta);
    put_varint(out, offset_delta);
}
