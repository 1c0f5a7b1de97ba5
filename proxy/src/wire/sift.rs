//! A mixed batch on its way to a client: the same batch without its sentinels, as the source's log holds it.

use bytes::Bytes;

use super::batch::{BatchHeader, Codec, RawBatch};
use super::compression::compress;
use super::densify::{DensifyError, decompressed, placed, plain_base, timestamp_of};
use super::filler::{MIXED_BASE_TIMESTAMP, is_sentinel};
use super::record::RecordView;
use super::record_writer::{put_record, sealed};
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

/// Takes the sentinels out of a batch of the destination log, of which at most `limit` bytes are decompressed.
///
/// Offsets, leader epoch, producer id and sequence, codec and attributes stay, and so does a delete horizon with the deltas
/// that count from it. The magic base timestamp of a mixed batch gives way to the first record's timestamp: not every
/// client takes one below zero.
///
/// # Errors
/// [`DensifyError`] for a batch that is damaged, larger than `limit`, or cannot be.
pub fn sift(batch: &RawBatch, limit: usize) -> Result<Sifted, DensifyError> {
    let header = &batch.header;
    verify_crc(batch)?;
    let payload = decompressed(batch, limit)?;
    let (mut sentinels, mut size) = (0usize, 0usize);
    for record in placed(header, &payload) {
        let record = record?;
        match is_sentinel(&record) {
            true => sentinels += 1,
            false => size += record.wire.len(),
        }
    }
    if sentinels == 0 {
        return Ok(Sifted::Unchanged);
    }
    if size == 0 {
        return Ok(Sifted::Nothing);
    }
    let mut real =
        placed(header, &payload).filter(|record| record.as_ref().is_ok_and(|one| !is_sentinel(one)));
    let mut left = Left { header: *header, records: Vec::with_capacity(size) };
    left.header.record_count = 0;
    real.try_for_each(|record| record.map(|record| left.push(header, &record)))?;
    let sifted = match header.codec() {
        Codec::None => sealed(left.header, &left.records),
        codec => {
            let offset = header.base_offset;
            let compressed = compress(codec, &left.records);
            sealed(left.header, &compressed.map_err(|source| DensifyError::Compression { offset, source })?)
        }
    };
    Ok(Sifted::Records(sifted))
}

/// The batch that is left.
struct Left {
    header: BatchHeader,
    records: Vec<u8>,
}

impl Left {
    fn push(&mut self, old: &BatchHeader, record: &RecordView<'_>) {
        let timestamp = timestamp_of(old, record);
        if self.header.record_count == 0 && old.base_timestamp == MIXED_BASE_TIMESTAMP {
            self.header.base_timestamp = plain_base(timestamp);
        }
        self.header.record_count += 1;
        if self.header.base_timestamp == old.base_timestamp {
            self.records.extend_from_slice(record.wire);
        } else {
            let delta = timestamp.wrapping_sub(self.header.base_timestamp);
            put_record(&mut self.records, record.attributes, delta, record.offset_delta, record.tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::DELETE_HORIZON;
    use super::super::batch::testing::{batch, header};
    use super::super::compression::decompress;
    use super::super::densify::{DensifyOptions, densify};
    use super::super::filler::SENTINEL_TAIL;
    use super::super::record::records;
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
        match sift(batch, 1 << 20).unwrap() {
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
        assert_eq!(sift(&sparse(Codec::Lz4, &[0, 5]), 1 << 20).unwrap(), Sifted::Unchanged);
        let mut payload = Vec::new();
        put_record(&mut payload, 0, 0, 3, &SENTINEL_TAIL);
        let only = batch(BatchHeader { record_count: 1, ..header(70, 10) }, &payload);
        assert_eq!(sift(&only, 1 << 20).unwrap(), Sifted::Nothing);
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
