//! Small batches one after another, joined to one: a Produce request carries one batch per partition, so that many small
//! ones cost a round trip each.

use bytes::Bytes;

use super::batch::{Codec, RawBatch};
use super::densify::{DensifyError, decompressed, plain_base, timestamp_of};
use super::filler::is_sentinel;
use super::record::records;
use super::record_writer::RecordWriter;
use super::rehead::{WriterIds, verify_crc};

/// One dense batch, ready for Produce, out of consecutive dense data batches of one codec. At most `limit` bytes of records,
/// decompressed. No batches give no bytes.
///
/// Keys, values and headers are copied as they stand, each record keeps the timestamp that clients see, and the first
/// record's becomes the base timestamp. The CRC of each batch is verified first. Batches with a record that looks like a sentinel
/// are not joined: nothing of them must be marked as filler, since a source may hold such a record as data.
///
/// # Errors
/// [`DensifyError`] for batches that are damaged, too large together, or no such run.
pub fn coalesce(batches: &[RawBatch], ids: WriterIds, limit: usize) -> Result<Bytes, DensifyError> {
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
    writer.finish(codec, ids).map_err(|source| DensifyError::Compression { offset: first_offset, source })
}

/// Writes all records, their timestamps counted from the first record's.
fn written(batches: &[RawBatch], payloads: &[Bytes]) -> Result<RecordWriter, DensifyError> {
    // Deltas change, so that a record may grow by a few bytes; most do not.
    let size = payloads.iter().map(Bytes::len).sum::<usize>();
    let capacity = size + size / 16;
    let mut writer: Option<RecordWriter> = None;
    for (batch, payload) in batches.iter().zip(payloads) {
        let offset = batch.header.base_offset;
        for (index, record) in (0..).zip(records(payload, batch.header.record_count)) {
            let record = record.map_err(|source| DensifyError::Records { offset, source })?;
            let delta = record.offset_delta;
            if delta != index {
                let last = i64::from(batch.header.last_offset_delta);
                return Err(DensifyError::OutOfPlace { offset, delta, next: index, last });
            }
            if is_sentinel(&record) {
                return Err(DensifyError::NoRun { offset, what: "it has a record that looks like filler" });
            }
            let timestamp = timestamp_of(&batch.header, &record);
            let writer = writer.get_or_insert_with(|| RecordWriter::new(plain_base(timestamp), capacity));
            writer.push(timestamp, record.attributes, record.tail);
        }
    }
    Ok(writer.unwrap_or_else(|| RecordWriter::new(plain_base(-1), 0)))
}

/// Whether a batch is of the kind that is joined, and the next one.
fn joins(batch: &RawBatch, codec: Codec, next: i64) -> Result<(), DensifyError> {
    let header = &batch.header;
    let offset = header.base_offset;
    let what = if header.is_control() {
        return Err(DensifyError::Control { offset });
    } else if header.codec() != codec {
        "another codec"
    } else if offset != next {
        "another offset is next"
    } else if i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        "it has holes"
    } else {
        return Ok(());
    };
    Err(DensifyError::NoRun { offset, what })
}

#[cfg(test)]
mod tests {
    use super::super::batch::BatchHeader;
    use super::super::batch::testing::{batch, header};
    use super::super::compression::{compress, decompress};
    use super::super::filler::{Mark, filler, mark};
    use super::super::record_writer::put_record;
    use super::*;

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
            let (header, records) = read(&coalesce(&run, IDS, 1 << 20).unwrap());
            assert_eq!((header.record_count, header.last_offset_delta, header.codec()), (6, 5, codec));
            assert_eq!((header.base_timestamp, header.max_timestamp), (5000, 5007));
            assert_eq!((header.producer_id, header.base_sequence), (IDS.producer_id, 40));
            assert_eq!(mark(&header), Mark::Real);
            let stamps = [5000, 5007, 3000, -1, 6, 13];
            let expected: Vec<_> = (0..).zip(stamps).map(|(at, stamp)| (at, stamp, TAIL.to_vec())).collect();
            assert_eq!(records, expected);
        }
    }

    #[test]
    fn a_record_that_looks_like_a_sentinel_is_not_joined_to_others() {
        let old = RawBatch::parse(&filler(2, 77, IDS)).unwrap();
        let old = batch(BatchHeader { base_offset: 3, base_timestamp: 5, ..old.header }, &old.payload());
        let refused = coalesce(&[small(0, 3, Codec::None, 5), old], IDS, 1 << 20).unwrap_err();
        assert!(matches!(refused, DensifyError::NoRun { offset: 3, .. }), "{refused}");
    }

    #[test]
    fn what_is_no_run_is_refused() {
        let first = small(0, 2, Codec::None, 5);
        let refused = |second: &RawBatch| {
            coalesce(&[first.clone(), second.clone()], IDS, 1 << 20).unwrap_err().to_string()
        };
        assert!(refused(&small(3, 1, Codec::None, 5)).contains("another offset"));
        assert!(refused(&small(2, 1, Codec::Lz4, 5)).contains("another codec"));
        let sparse = small(2, 1, Codec::None, 5);
        let sparse = batch(BatchHeader { last_offset_delta: 1, ..sparse.header }, &sparse.payload());
        assert!(refused(&sparse).contains("it has holes"));
        let mut bytes = small(2, 1, Codec::None, 5).bytes.to_vec();
        bytes[65] ^= 1;
        assert!(refused(&RawBatch::parse(&bytes.into()).unwrap()).contains("damaged"));
        assert!(coalesce(&[], IDS, 1).unwrap().is_empty());
    }

    #[test]
    fn the_limit_is_that_of_all_batches_together() {
        let run = [small(0, 10, Codec::Zstd, 5), small(10, 10, Codec::Zstd, 5)];
        let one = decompress(Codec::Zstd, &run[0].payload(), 1 << 20).unwrap().len();
        assert!(coalesce(&run, IDS, 2 * one).is_ok());
        let error = coalesce(&run, IDS, 2 * one - 1).unwrap_err();
        assert!(matches!(error, DensifyError::Compression { offset: 10, .. }), "{error}");
    }
}
