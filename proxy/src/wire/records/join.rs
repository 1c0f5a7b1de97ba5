//! Joins consecutive small batches into one. A Produce request carries one batch per partition, so many small
//! batches would cost one round trip each.

use bytes::Bytes;

use crate::wire::records::batch::{Codec, RawBatch};
use crate::wire::records::filler::is_sentinel;
use crate::wire::records::read::{RecordsError, decompressed, plain_base, timestamp_of};
use crate::wire::records::record::records;
use crate::wire::records::record_writer::RecordWriter;
use crate::wire::records::rewrite_header::{WriterIds, verify_crc};

/// Joins consecutive dense data batches of one codec into one dense batch, ready for Produce. Decompresses at
/// most `limit` bytes of records. Returns no bytes for no batches.
///
/// Keys, values and headers are copied unchanged. Each record keeps the timestamp that clients see; the
/// timestamp of the first record becomes the base timestamp. The CRC of each batch is verified first. Batches
/// with a record that looks like a sentinel are not joined: a source may hold such a record as data, and it
/// must not be marked as filler.
///
/// # Errors
/// Fails if a batch is damaged, if the batches are too large together, or if they are not consecutive dense
/// batches of one codec.
pub fn join_batches(batches: &[RawBatch], ids: WriterIds, limit: usize) -> Result<Bytes, RecordsError> {
    let Some(first) = batches.first() else { return Ok(Bytes::new()) };
    let codec = first.header.codec();
    let mut next = first.header.base_offset;
    let mut payloads = Vec::with_capacity(batches.len());
    let mut room = limit;
    for batch in batches {
        joins(batch, codec, next)?;
        verify_crc(batch)?;
        let payload = decompressed(batch, room)?;
        room -= payload.len();
        payloads.push(payload);
        next = batch.header.next_offset();
    }
    let first_offset = first.header.base_offset;
    let writer = written(batches, &payloads)?;
    writer.finish(codec, ids).map_err(|source| RecordsError::Compression { offset: first_offset, source })
}

/// Writes all records. Their timestamp deltas count from the timestamp of the first record.
fn written(batches: &[RawBatch], payloads: &[Bytes]) -> Result<RecordWriter, RecordsError> {
    // A record may grow by a few bytes because its deltas change. Most records do not.
    let size = payloads.iter().map(Bytes::len).sum::<usize>();
    let capacity = size + size / 16;
    let mut writer: Option<RecordWriter> = None;
    for (batch, payload) in batches.iter().zip(payloads) {
        let offset = batch.header.base_offset;
        for (index, record) in (0..).zip(records(payload, batch.header.record_count)) {
            let record = record.map_err(|source| RecordsError::Records { offset, source })?;
            let delta = record.offset_delta;
            if delta != index {
                let last = i64::from(batch.header.last_offset_delta);
                return Err(RecordsError::OutOfPlace { offset, delta, next: index, last });
            }
            if is_sentinel(&record) {
                return Err(RecordsError::NoRun { offset, what: "it has a record that looks like filler" });
            }
            let timestamp = timestamp_of(&batch.header, &record);
            let writer = writer.get_or_insert_with(|| RecordWriter::new(plain_base(timestamp), capacity));
            writer.push(timestamp, record.attributes, record.tail);
        }
    }
    Ok(writer.unwrap_or_else(|| RecordWriter::new(plain_base(-1), 0)))
}

/// Checks that a batch can be joined and is the next one.
fn joins(batch: &RawBatch, codec: Codec, next: i64) -> Result<(), RecordsError> {
    let header = &batch.header;
    let offset = header.base_offset;
    let what = if header.is_control() {
        return Err(RecordsError::Control { offset });
    } else if header.codec() != codec {
        "it has another codec"
    } else if offset != next {
        "another offset is next"
    } else if i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        "it has holes"
    } else {
        return Ok(());
    };
    Err(RecordsError::NoRun { offset, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::batch::BatchHeader;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::compression::{compress, decompress};
    use crate::wire::records::filler::{FillerKind, filler, mark};
    use crate::wire::records::record_writer::put_record;

    const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 40 };
    const TAIL: &[u8] = &[2, b'k', 2, b'v', 2, 2, b'h', 1];

    fn small(base_offset: i64, count: i32, codec: Codec, base_timestamp: i64) -> RawBatch {
        let mut payload = Vec::new();
        for delta in 0..i64::from(count) {
            put_record(&mut payload, 0, delta * 7, delta, TAIL);
        }
        let attributes = codec.attribute();
        let header = BatchHeader { attributes, base_timestamp, ..header(base_offset, count) };
        batch(header, &compress(codec, &payload).unwrap())
    }

    fn read(bytes: &Bytes) -> (BatchHeader, Vec<(i64, i64, Vec<u8>)>) {
        let batch = RawBatch::parse(bytes).unwrap();
        assert!(batch.crc_matches());
        let payload = decompress(batch.header.codec(), &batch.payload(), 1 << 20).unwrap();
        let read = records(&payload, batch.header.record_count).map(Result::unwrap);
        let seen = read
            .map(|record| (record.offset_delta, timestamp_of(&batch.header, &record), record.tail.to_vec()));
        (batch.header, seen.collect())
    }

    #[test]
    fn a_run_becomes_one_batch_with_the_same_records_in_every_codec() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let run = [small(40, 2, codec, 5000), small(42, 1, codec, 3000), small(43, 3, codec, -1)];
            let (header, records) = read(&join_batches(&run, IDS, 1 << 20).unwrap());
            assert_eq!((header.record_count, header.last_offset_delta, header.codec()), (6, 5, codec));
            assert_eq!((header.base_timestamp, header.max_timestamp), (5000, 5007));
            assert_eq!((header.producer_id, header.base_sequence), (IDS.producer_id, 40));
            assert_eq!(mark(&header), FillerKind::Real);
            let stamps = [5000, 5007, 3000, -1, 6, 13];
            let expected: Vec<_> = (0..).zip(stamps).map(|(at, stamp)| (at, stamp, TAIL.to_vec())).collect();
            assert_eq!(records, expected);
        }
    }

    #[test]
    fn a_record_that_looks_like_a_sentinel_is_not_joined_to_others() {
        let old = RawBatch::parse(&filler(2, 77, IDS)).unwrap();
        let old = batch(BatchHeader { base_offset: 3, base_timestamp: 5, ..old.header }, &old.payload());
        let refused = join_batches(&[small(0, 3, Codec::None, 5), old], IDS, 1 << 20).unwrap_err();
        assert!(matches!(refused, RecordsError::NoRun { offset: 3, .. }), "{refused}");
    }

    #[test]
    fn batches_that_form_no_run_are_refused() {
        let first = small(0, 2, Codec::None, 5);
        let refused = |second: &RawBatch| {
            join_batches(&[first.clone(), second.clone()], IDS, 1 << 20).unwrap_err().to_string()
        };
        assert!(refused(&small(3, 1, Codec::None, 5)).contains("another offset"));
        assert!(refused(&small(2, 1, Codec::Lz4, 5)).contains("another codec"));
        let sparse = small(2, 1, Codec::None, 5);
        let sparse = batch(BatchHeader { last_offset_delta: 1, ..sparse.header }, &sparse.payload());
        assert!(refused(&sparse).contains("it has holes"));
        let mut bytes = small(2, 1, Codec::None, 5).bytes.to_vec();
        bytes[65] ^= 1;
        assert!(refused(&RawBatch::parse(&bytes.into()).unwrap()).contains("damaged"));
        assert!(join_batches(&[], IDS, 1).unwrap().is_empty());
    }

    #[test]
    fn the_limit_applies_to_all_batches_together() {
        let run = [small(0, 10, Codec::Zstd, 5), small(10, 10, Codec::Zstd, 5)];
        let one = decompress(Codec::Zstd, &run[0].payload(), 1 << 20).unwrap().len();
        assert!(join_batches(&run, IDS, 2 * one).is_ok());
        let error = join_batches(&run, IDS, 2 * one - 1).unwrap_err();
        assert!(matches!(error, RecordsError::Compression { offset: 10, .. }), "{error}");
    }
}
