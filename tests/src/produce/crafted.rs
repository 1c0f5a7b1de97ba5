//! Builds batches that no client library produces: every header field is free, and the checksum is correct.
//!
//! Layout: Kafka's `DefaultRecordBatch` and `DefaultRecord` (KIP-98). A broker may still refuse a batch that
//! is well-formed here.

use std::io::Write as _;

use bytes::Bytes;

/// Content of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CraftedRecord {
    /// Timestamp in milliseconds since the epoch.
    pub timestamp: i64,
    /// Key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// Headers in order; a value of `None` is null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A batch before it is sealed. [`Crafted::new`] sets the fields of an ordinary producer without idempotence.
#[derive(Debug, Clone)]
pub struct Crafted {
    /// Compression codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub codec: i16,
    /// Attribute bits except those of the codec.
    pub attributes: i16,
    /// Base of the records' timestamp deltas; by default the first record's timestamp.
    pub base_timestamp: i64,
    /// Largest timestamp, as the header states it.
    pub max_timestamp: i64,
    /// Producer id; -1 for none.
    pub producer_id: i64,
    /// Producer epoch; -1 for none.
    pub producer_epoch: i16,
    /// Base sequence; -1 for none.
    pub base_sequence: i32,
    /// Records in order.
    pub records: Vec<CraftedRecord>,
}

impl Crafted {
    /// Creates an uncompressed batch without a producer id.
    #[must_use]
    pub fn new(records: Vec<CraftedRecord>) -> Crafted {
        Crafted {
            codec: 0,
            attributes: 0,
            base_timestamp: records.first().map_or(-1, |record| record.timestamp),
            max_timestamp: records.iter().map(|record| record.timestamp).max().unwrap_or(-1),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records,
        }
    }

    /// Sets the producer id, the producer epoch and the base sequence.
    #[must_use]
    pub fn by(self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Crafted {
        Crafted { producer_id, producer_epoch, base_sequence, ..self }
    }

    /// Encodes the batch for a Produce request.
    ///
    /// # Panics
    /// Panics if a compressor fails, or if the codec is unknown.
    #[must_use]
    pub fn seal(&self) -> Bytes {
        let mut plain = Vec::new();
        for (offset, record) in (0i64..).zip(&self.records) {
            put_record(&mut plain, record, record.timestamp.wrapping_sub(self.base_timestamp), offset);
        }
        let payload = compress(self.codec, &plain);
        let count = i32::try_from(self.records.len()).unwrap_or(i32::MAX);
        let mut covered = Vec::with_capacity(40 + payload.len());
        covered.extend((self.attributes | self.codec).to_be_bytes());
        covered.extend((count - 1).to_be_bytes());
        covered.extend(self.base_timestamp.to_be_bytes());
        covered.extend(self.max_timestamp.to_be_bytes());
        covered.extend(self.producer_id.to_be_bytes());
        covered.extend(self.producer_epoch.to_be_bytes());
        covered.extend(self.base_sequence.to_be_bytes());
        covered.extend(count.to_be_bytes());
        covered.extend(payload);
        let mut batch = Vec::with_capacity(21 + covered.len());
        batch.extend(0i64.to_be_bytes());
        // Bytes after the length field: leader epoch, magic, checksum, and everything that the checksum
        // covers.
        let length = i32::try_from(4 + 1 + 4 + covered.len()).unwrap_or(i32::MAX);
        batch.extend(length.to_be_bytes());
        batch.extend((-1i32).to_be_bytes());
        batch.push(2);
        batch.extend(crc32c::crc32c(&covered).to_be_bytes());
        batch.extend(covered);
        batch.into()
    }
}

fn put_record(into: &mut Vec<u8>, record: &CraftedRecord, timestamp_delta: i64, offset_delta: i64) {
    let mut body = vec![0];
    put_varint(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    put_bytes(&mut body, record.key.as_deref());
    put_bytes(&mut body, record.value.as_deref());
    put_varint(&mut body, record.headers.len() as i64);
    for (name, value) in &record.headers {
        put_bytes(&mut body, Some(name.as_bytes()));
        put_bytes(&mut body, value.as_deref());
    }
    put_varint(into, body.len() as i64);
    into.extend(body);
}

fn put_bytes(into: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(into, bytes.map_or(-1, |bytes| bytes.len() as i64));
    into.extend(bytes.unwrap_or_default());
}

/// Appends a zigzag varint with seven bits per byte.
fn put_varint(into: &mut Vec<u8>, value: i64) {
    let mut left = (value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned();
    while left >= 0x80 {
        into.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

fn compress(codec: i16, plain: &[u8]) -> Vec<u8> {
    match codec {
        0 => plain.to_vec(),
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes it")
        }
        2 => snap::raw::Encoder::new().compress_vec(plain).expect("snappy takes it"),
        3 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).expect("memory takes it");
            encoder.finish().expect("lz4 takes it")
        }
        4 => zstd::stream::encode_all(plain, 3).expect("zstd takes it"),
        other => panic!("codec {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::records::{Record, batches};

    /// Seals a batch with every codec and chosen producer fields. The suites' own reader, which checks the
    /// checksum, must find every field and record again.
    #[test]
    fn a_sealed_batch_is_read_back_unchanged() {
        for codec in 0..5 {
            let headers = vec![("a".to_owned(), None), (String::new(), Some(vec![0xff]))];
            let first = CraftedRecord { timestamp: 7, key: None, value: Some(vec![1; 300]), headers };
            let second = CraftedRecord { timestamp: -1, key: Some(vec![]), ..CraftedRecord::default() };
            let mut crafted = Crafted::new(vec![first.clone(), second.clone()]).by(1 << 62, 3, 9);
            (crafted.codec, crafted.base_timestamp) = (codec, -64);
            let read = batches(&crafted.seal()).expect("it is whole");
            assert_eq!(read.len(), 1);
            let batch = &read[0];
            assert_eq!((batch.codec(), batch.base_timestamp), (codec, -64));
            assert_eq!((batch.producer_id, batch.producer_epoch, batch.base_sequence), (1 << 62, 3, 9));
            let as_read = |offset: i64, record: &CraftedRecord| Record {
                offset,
                timestamp: record.timestamp,
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.clone(),
            };
            assert_eq!(batch.records, [as_read(0, &first), as_read(1, &second)]);
        }
    }
}
