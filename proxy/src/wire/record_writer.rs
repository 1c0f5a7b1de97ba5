//! Records on their way into one batch that is ready for Produce.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{ATTRIBUTES_AT, BatchHeader, CRC_AT, Codec, HEADER_LEN, LENGTH_OVERHEAD};
use super::compression::{CompressionError, compress};
use super::rehead::WriterIds;
use super::varint::{put_varint, varint_len};

/// Collects the records of one batch, one per offset.
#[derive(Debug)]
pub(super) struct RecordWriter {
    base_timestamp: i64,
    max_timestamp: Option<i64>,
    count: i32,
    records: Vec<u8>,
}

impl RecordWriter {
    /// For a batch whose records' deltas count from `base_timestamp`; `capacity` is a guess at their bytes.
    pub(super) fn new(base_timestamp: i64, capacity: usize) -> Self {
        RecordWriter { base_timestamp, max_timestamp: None, count: 0, records: Vec::with_capacity(capacity) }
    }

    /// Appends the record of the next offset; `tail` is what follows its deltas on the wire.
    pub(super) fn push(&mut self, timestamp: i64, attributes: i8, tail: &[u8]) {
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        put_record(&mut self.records, attributes, timestamp_delta, i64::from(self.count), tail);
        self.count = self.count.saturating_add(1);
        self.max_timestamp = self.max_timestamp.max(Some(timestamp));
    }

    /// The batch: base offset 0, leader epoch -1, timestamps as the records say.
    ///
    /// # Errors
    /// As [`compress`].
    pub(super) fn finish(self, codec: Codec, ids: WriterIds) -> Result<Bytes, CompressionError> {
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
            Codec::None => sealed(header, &self.records),
            _ => sealed(header, &compress(codec, &self.records)?),
        })
    }
}

/// Header and payload as one batch, with the length and the CRC that follow from them.
pub(super) fn sealed(mut header: BatchHeader, payload: &[u8]) -> Bytes {
    header.batch_length = batch_length(payload.len());
    let mut out = BytesMut::with_capacity(HEADER_LEN + payload.len());
    out.put_slice(&header.to_bytes());
    out.put_slice(payload);
    let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
    out[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// The `batchLength` field of a batch with a payload of so many bytes.
pub(super) fn batch_length(payload: usize) -> i32 {
    i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload).unwrap_or(i32::MAX)
}

/// Appends one v2 record: `DefaultRecord` of Kafka. `tail` is key, value and headers as on the wire.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    attributes: i8,
    timestamp_delta: i64,
    offset_delta: i64,
    tail: &[u8],
) {
    let length = 1 + varint_len(timestamp_delta) + varint_len(offset_delta) + tail.len();
    put_varint(out, length as i64);
    out.push(attributes.cast_unsigned());
    put_varint(out, timestamp_delta);
    put_varint(out, offset_delta);
    out.extend_from_slice(tail);
}
