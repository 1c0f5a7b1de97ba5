//! A mixed batch on its way to a client: the same batch without its sentinels, as the source's log holds it.
//!
//! Records pass one by one from the decompressor to the compressor, so that memory is bounded by the batch, not by what it
//! becomes: see [`working_memory`].

use std::io::Write as _;

use bytes::Bytes;

use super::batch::{BatchHeader, RawBatch};
use super::compression::{self, CompressionError, Encoder};
use super::densify::{DensifyError, plain_base};
use super::filler::MIXED_BASE_TIMESTAMP;
use super::record_stream::{Head, RecordStream, Tail};
use super::record_writer::{put_head, sealed};
use super::rehead::verify_crc;

/// What is left of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sifted {
    /// There is no sentinel in it.
    Unchanged,
    /// There is nothing else in it.
    Nothing,
    /// The records that are no sentinels.
    Records(Bytes),
}

/// Window of the zstd frames that are read, 8 MiB: mirroring and log cleaners compress at a level that takes a quarter of it.
const WINDOW_LOG: u32 = 23;

/// Bytes that [`sift`] holds for a batch while it works, beside what comes out.
#[must_use]
pub fn working_memory(batch: &RawBatch) -> usize {
    compression::working_memory(batch.header.codec(), &batch.payload(), WINDOW_LOG)
}

/// Most bytes that come out. What is left of a batch is hardly larger than the batch; compressors and their levels
/// differ.
#[must_use]
pub fn largest_result(batch: &RawBatch) -> usize {
    batch.bytes.len().saturating_mul(4) + (1 << 20)
}

/// Takes the sentinels out of a batch of the destination log, of which at most `limit` bytes are decompressed. Beside what is left,
/// says how many bytes have been.
///
/// Offsets, leader epoch, producer id and sequence, codec and attributes stay, and so does a delete horizon with the deltas
/// that count from it. The magic base timestamp of a mixed batch gives way to the first record's timestamp: not every
/// client takes one below zero.
///
/// # Errors
/// [`DensifyError`] for a batch that is damaged, larger than `limit`, or cannot be.
pub fn sift(batch: &RawBatch, limit: u64) -> Result<(Sifted, u64), DensifyError> {
    verify_crc(batch)?;
    let payload = batch.payload();
    let mut looked = 0;
    // A mixed batch has sentinels; one that the cleaner rewrote rarely has any left.
    if batch.header.base_timestamp != MIXED_BASE_TIMESTAMP {
        let mut stream = RecordStream::open(batch, &payload, limit, WINDOW_LOG)?;
        let found = has_sentinel(&mut stream)?;
        looked = stream.read();
        if !found {
            return Ok((Sifted::Unchanged, looked));
        }
    }
    let mut stream = RecordStream::open(batch, &payload, limit, WINDOW_LOG)?;
    let mut left = Left::new(batch)?;
    while let Some((head, tail)) = stream.next()? {
        if !matches!(tail, Tail::Sentinel) {
            left.push(head, &tail, &mut stream)?;
        }
    }
    Ok((left.finish()?, looked + stream.read()))
}

fn has_sentinel(stream: &mut RecordStream<'_>) -> Result<bool, DensifyError> {
    while let Some((_, tail)) = stream.next()? {
        if matches!(tail, Tail::Sentinel) {
            return Ok(true);
        }
        stream.pass(&tail)?;
    }
    Ok(false)
}

/// The batch that is left.
struct Left {
    old: BatchHeader,
    header: BatchHeader,
    records: Encoder,
    head: Vec<u8>,
    /// Most bytes of the payload.
    limit: usize,
}

impl Left {
    fn new(batch: &RawBatch) -> Result<Self, DensifyError> {
        let old = batch.header;
        let records = Encoder::new(old.codec()).map_err(|source| wrong(&old, source))?;
        let header = BatchHeader { record_count: 0, ..old };
        Ok(Left { old, header, records, head: Vec::new(), limit: largest_result(batch) })
    }

    fn push(&mut self, head: Head, tail: &Tail, stream: &mut RecordStream<'_>) -> Result<(), DensifyError> {
        let timestamp = self.old.base_timestamp.wrapping_add(head.timestamp_delta);
        if self.header.record_count == 0 && self.old.base_timestamp == MIXED_BASE_TIMESTAMP {
            self.header.base_timestamp = plain_base(timestamp);
        }
        self.header.record_count += 1;
        let delta = timestamp.wrapping_sub(self.header.base_timestamp);
        self.head.clear();
        put_head(&mut self.head, head.attributes, delta, head.offset_delta, tail.len());
        let written = self.records.write_all(&self.head);
        written.map_err(|source| wrong(&self.old, damaged(&self.old, source)))?;
        stream.copy(tail, &mut self.records)?;
        if self.records.size() > self.limit {
            return Err(wrong(&self.old, CompressionError::TooLarge { limit: self.limit }));
        }
        Ok(())
    }

    fn finish(self) -> Result<Sifted, DensifyError> {
        if self.header.record_count == 0 {
            return Ok(Sifted::Nothing);
        }
        let records = self.records.finish();
        let records = records.map_err(|source| wrong(&self.old, damaged(&self.old, source)))?;
        Ok(Sifted::Records(sealed(self.header, &records)))
    }
}

fn damaged(header: &BatchHeader, source: std::io::Error) -> CompressionError {
    CompressionError::Damaged { codec: header.codec(), source }
}

fn wrong(header: &BatchHeader, source: CompressionError) -> DensifyError {
    DensifyError::Compression { offset: header.base_offset, source }
}

#[cfg(test)]
mod tests {
    use super::super::batch::testing::{batch, header};
    use super::super::batch::{Codec, DELETE_HORIZON};
    use super::super::compression::{compress, decompress};
    use super::super::densify::{DensifyOptions, densify, timestamp_of};
    use super::super::filler::SENTINEL_TAIL;
    use super::super::record::records;
    use super::super::record_writer::put_record;
    use super::super::rehead::WriterIds;
    use super::*;

    const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 40 };
    const TAIL: &[u8] = &[2, b'k', 2, b'v', 2, 2, b'h', 1];
    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// A batch over 10 offsets with records at the deltas given, timestamps 100 apart.
    fn sparse(codec: Codec, deltas: &[i64]) -> RawBatch {
        let mut payload = Vec::new();
        for delta in deltas {
            put_record(&mut payload, 0, delta * 100, *delta, TAIL);
        }
        let (attributes, record_count) = (codec.attribute(), deltas.len() as i32);
        let header = BatchHeader { attributes, record_count, ..header(70, 10) };
        batch(header, &compress(codec, &payload).unwrap())
    }

    fn on_destination(source: &RawBatch) -> RawBatch {
        let options = DensifyOptions { limit: 1 << 20, drop_unkeyed: false };
        let dense = densify(source, 70, 5, IDS, options).unwrap();
        let mut landed = RawBatch::parse(&dense[0].bytes).unwrap();
        // What the broker does.
        landed.header.base_offset = 70;
        landed.header.partition_leader_epoch = 8;
        batch(landed.header, &landed.payload())
    }

    fn read(batch: &RawBatch) -> Vec<(i64, i64, Vec<u8>)> {
        assert!(batch.crc_matches());
        let payload = decompress(batch.header.codec(), &batch.payload(), 1 << 20).unwrap();
        let read = records(&payload, batch.header.record_count).map(Result::unwrap);
        read.map(|record| (record.offset_delta, timestamp_of(&batch.header, &record), record.tail.to_vec()))
            .collect()
    }

    fn sifted(batch: &RawBatch) -> RawBatch {
        match sift(batch, 1 << 20).unwrap().0 {
            Sifted::Records(bytes) => RawBatch::parse(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mixed_batch_comes_back_as_the_source_has_it_in_every_codec() {
        for codec in CODECS {
            let source = sparse(codec, &[1, 2, 7]);
            let landed = on_destination(&source);
            let sifted = sifted(&landed);
            assert_eq!(read(&sifted), read(&source), "{codec:?}");
            let expected = BatchHeader {
                base_timestamp: source.header.base_timestamp + 100,
                record_count: 3,
                batch_length: sifted.header.batch_length,
                crc: sifted.header.crc,
                ..landed.header
            };
            assert_eq!(sifted.header, expected);
        }
    }

    #[test]
    fn a_cleaned_batch_keeps_its_horizon_and_its_records_byte_for_byte() {
        for codec in CODECS {
            let mut payload = Vec::new();
            put_record(&mut payload, 0, -500, 2, TAIL);
            let first = payload.clone();
            put_record(&mut payload, 0, -500, 3, &SENTINEL_TAIL);
            let start = payload.len();
            put_record(&mut payload, 0, -400, 9, &[2, b'x', 1, 0]);
            let second = payload[start..].to_vec();
            let attributes = DELETE_HORIZON | codec.attribute();
            let header = BatchHeader { attributes, record_count: 3, ..header(70, 10) };
            let cleaned = batch(header, &compress(codec, &payload).unwrap());
            let sifted = sifted(&cleaned);
            assert!(sifted.header.has_delete_horizon() && sifted.crc_matches());
            assert_eq!(sifted.header.base_timestamp, header.base_timestamp);
            assert_eq!((sifted.header.record_count, sifted.header.last_offset_delta), (2, 9));
            let left = decompress(codec, &sifted.payload(), 1 << 20).unwrap();
            assert_eq!(left, [first, second].concat());
        }
    }

    #[test]
    fn without_sentinels_nothing_changes_and_with_nothing_else_nothing_is_left() {
        assert_eq!(sift(&sparse(Codec::Lz4, &[0, 5]), 1 << 20).unwrap().0, Sifted::Unchanged);
        let mut payload = Vec::new();
        put_record(&mut payload, 0, 0, 3, &SENTINEL_TAIL);
        let only = batch(BatchHeader { record_count: 1, ..header(70, 10) }, &payload);
        assert_eq!(sift(&only, 1 << 20).unwrap().0, Sifted::Nothing);
    }

    #[test]
    fn damaged_and_too_large_batches_are_errors() {
        let landed = on_destination(&sparse(Codec::Zstd, &[1]));
        assert!(matches!(sift(&landed, 20), Err(DensifyError::Compression { offset: 70, .. })));
        let mut bytes = landed.bytes.to_vec();
        bytes[64] ^= 1;
        let damaged = RawBatch::parse(&bytes.into()).unwrap();
        assert!(matches!(sift(&damaged, 1 << 20), Err(DensifyError::Damaged(_))));
    }
}
