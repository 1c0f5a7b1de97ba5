//! Batches that no client library makes: every field of the header is the writer's choice, and the checksum is right.
//!
//! Layout: Kafka's `DefaultRecordBatch` and `DefaultRecord` (KIP-98). What is well-formed here may still be refused by a broker.

use std::io::Write as _;

use bytes::Bytes;

/// Key, value and timestamp of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CraftedRecord {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Null when absent.
    pub key: Option<Vec<u8>>,
    /// Null when absent.
    pub value: Option<Vec<u8>>,
    /// In order; a null value when absent.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A batch before it is sealed. [`Crafted::new`] gives what an ordinary producer without idempotence would write.
#[derive(Debug, Clone)]
pub struct Crafted {
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub codec: i16,
    /// Attribute bits beside the codec.
    pub attributes: i16,
    /// The timestamp from which the records' deltas count; the first record's unless chosen.
    pub base_timestamp: i64,
    /// What the header calls the largest timestamp.
    pub max_timestamp: i64,
    /// -1 for none.
    pub producer_id: i64,
    /// -1 for none.
    pub producer_epoch: i16,
    /// -1 for none.
    pub base_sequence: i32,
    /// Its records, in order.
    pub records: Vec<CraftedRecord>,
}

impl Crafted {
    /// An uncompressed batch of no producer.
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

    /// The same under another producer's identifiers.
    #[must_use]
    pub fn by(self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Crafted {
        Crafted { producer_id, producer_epoch, base_sequence, ..self }
    }

    /// The bytes, ready for Produce.
    ///
    /// # Panics
    /// When a compressor fails, or with a codec that is none.
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
        // What follows the length: leader epoch, magic and checksum, and all that it covers.
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

/// Zigzag, seven bits a byte.
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
    use crate::records::{Record, batches};

    /// Given a batch of every codec with chosen identifiers, when it is sealed, then the suites' own reader, which checks the
    /// checksum, finds every field and record again.
    #[test]
    fn what_is_sealed_is_read_again() {
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
