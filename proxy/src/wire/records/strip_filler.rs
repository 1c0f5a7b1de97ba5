//! Removes the sentinels from a mixed batch before it goes to a client. The result has the records that the
//! source's log has.
//!
//! Records pass one by one from the decompressor to the compressor. So memory is bounded by the size of the
//! batch, not by its decompressed size: see [`working_memory`].

use std::io::Write as _;

use bytes::Bytes;

use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::compression::{self, CompressionError, Encoder};
use crate::wire::records::filler::MIXED_BASE_TIMESTAMP;
use crate::wire::records::read::{RecordsError, plain_base};
use crate::wire::records::record_stream::{Head, RecordStream, Tail};
use crate::wire::records::record_writer::{put_head, sealed};
use crate::wire::records::rewrite_header::verify_crc;

/// Result of [`strip_filler`] for one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sifted {
    /// The batch has no sentinel.
    Unchanged,
    /// The batch has only sentinels.
    Nothing,
    /// A batch of the records that are not sentinels.
    Records(Bytes),
}

/// Base 2 logarithm of the largest accepted window of a zstd frame: 8 MiB. Mirroring and log cleaners
/// compress at a level that uses a quarter of it.
const WINDOW_LOG: u32 = 23;

/// Returns how many bytes [`strip_filler`] holds for a batch while it works, without the output.
#[must_use]
pub(crate) fn working_memory(batch: &RawBatch) -> usize {
    compression::working_memory(batch.header.codec(), &batch.payload(), WINDOW_LOG)
}

/// Returns the maximum size of the output, in bytes. The output is hardly larger than the batch, but
/// compressors and their levels differ.
#[must_use]
pub(crate) fn largest_result(batch: &RawBatch) -> usize {
    batch.bytes.len().saturating_mul(4) + (1 << 20)
}

/// Removes the sentinels from a batch of the destination log. Decompresses at most `limit` bytes. Returns the
/// result and the number of bytes that were decompressed.
///
/// Offsets, leader epoch, producer id and sequence, codec and attributes stay the same. A delete horizon
/// stays too, with the deltas that count from it. The magic base timestamp of a mixed batch is replaced by
/// the timestamp of its first record, because not every client accepts a negative one.
///
/// # Errors
/// Fails if the batch is damaged or invalid, or if it decompresses to more than `limit` bytes.
pub(crate) fn strip_filler(batch: &RawBatch, limit: u64) -> Result<(Sifted, u64), RecordsError> {
    verify_crc(batch)?;
    let payload = batch.payload();
    let mut looked = 0;
    // A mixed batch has sentinels, so it is rewritten at once. A batch that the log cleaner rewrote rarely
    // has any left, so it is searched first.
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

fn has_sentinel(stream: &mut RecordStream<'_>) -> Result<bool, RecordsError> {
    while let Some((_, tail)) = stream.next()? {
        if matches!(tail, Tail::Sentinel) {
            return Ok(true);
        }
        stream.pass(&tail)?;
    }
    Ok(false)
}

/// The batch that is being written, without sentinels.
struct Left {
    old: BatchHeader,
    header: BatchHeader,
    records: Encoder,
    head: Vec<u8>,
    /// Maximum size of the compressed payload, in bytes.
    limit: usize,
}

impl Left {
    fn new(batch: &RawBatch) -> Result<Self, RecordsError> {
        let old = batch.header;
        let records = Encoder::new(old.codec()).map_err(|source| wrong(&old, source))?;
        let header = BatchHeader { record_count: 0, ..old };
        Ok(Left { old, header, records, head: Vec::new(), limit: largest_result(batch) })
    }

    fn push(&mut self, head: Head, tail: &Tail, stream: &mut RecordStream<'_>) -> Result<(), RecordsError> {
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

    fn finish(self) -> Result<Sifted, RecordsError> {
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

fn wrong(header: &BatchHeader, source: CompressionError) -> RecordsError {
    RecordsError::Compression { offset: header.base_offset, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::batch::{Codec, DELETE_HORIZON};
    use crate::wire::records::compression::{compress, decompress};
    use crate::wire::records::fill_holes::{FillHolesOptions, fill_holes};
    use crate::wire::records::filler::SENTINEL_TAIL;
    use crate::wire::records::read::timestamp_of;
    use crate::wire::records::record::records;
    use crate::wire::records::record_writer::put_record;
    use crate::wire::records::rewrite_header::WriterIds;

    const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 40 };
    const TAIL: &[u8] = &[2, b'k', 2, b'v', 2, 2, b'h', 1];
    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// Returns a batch over 10 offsets with records at these deltas, and timestamps 100 ms apart.
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
        let options = FillHolesOptions { limit: 1 << 20, drop_unkeyed: false };
        let dense = fill_holes(source, 70, 5, IDS, options).unwrap();
        let mut landed = RawBatch::parse(&dense[0].bytes).unwrap();
        // The broker sets these two fields.
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
        match strip_filler(batch, 1 << 20).unwrap().0 {
            Sifted::Records(bytes) => RawBatch::parse(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sifting_a_mixed_batch_restores_the_source_records_in_every_codec() {
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
    fn a_cleaned_batch_keeps_its_delete_horizon_and_its_records_byte_for_byte() {
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
    fn a_batch_without_sentinels_is_unchanged_and_one_with_only_sentinels_vanishes() {
        assert_eq!(strip_filler(&sparse(Codec::Lz4, &[0, 5]), 1 << 20).unwrap().0, Sifted::Unchanged);
        let mut payload = Vec::new();
        put_record(&mut payload, 0, 0, 3, &SENTINEL_TAIL);
        let only = batch(BatchHeader { record_count: 1, ..header(70, 10) }, &payload);
        assert_eq!(strip_filler(&only, 1 << 20).unwrap().0, Sifted::Nothing);
    }

    #[test]
    fn damaged_and_too_large_batches_are_errors() {
        let landed = on_destination(&sparse(Codec::Zstd, &[1]));
        assert!(matches!(strip_filler(&landed, 20), Err(RecordsError::Compression { offset: 70, .. })));
        let mut bytes = landed.bytes.to_vec();
        bytes[64] ^= 1;
        let damaged = RawBatch::parse(&bytes.into()).unwrap();
        assert!(matches!(strip_filler(&damaged, 1 << 20), Err(RecordsError::Damaged(_))));
    }
}
