//! Filler: what stands on the destination at offsets that hold nothing a client could write.
//!
//! On the destination log, filler is a batch of minimal records, one per offset, known by its magic base timestamp and
//! reserved producer id. Towards clients, a run of it at the end of a response becomes a control batch, which every
//! client steps over. Nothing here fails: what cannot be compressed travels plain.

use bytes::{BufMut, Bytes, BytesMut};
use state::model::RESERVED_PRODUCER_ID_BASE;

use super::batch::{ATTRIBUTES_AT, BatchHeader, CONTROL, CRC_AT, HEADER_LEN, LENGTH_OVERHEAD, TRANSACTIONAL};
use super::primitive::put_unsigned_varint;
use super::rehead::WriterIds;

/// Base timestamp of every filler batch, in ms: "LGFIL1" as a number, negative. No client can write it, since producers
/// refuse negative timestamps, and brokers keep it (they rewrite the maximum timestamp only).
pub const FILLER_BASE_TIMESTAMP: i64 = -0x4C47_4649_4C31;

/// Most records in one filler batch: the largest that was measured to pass a stock broker. Longer runs are split.
pub const MAX_FILLER_RECORDS: u32 = 1_000_000;

/// Key of the record of a [`fence`].
const FENCE_KEY: &[u8] = b"__linkgate_fence";

/// Above this many records, a filler batch is compressed.
const PLAIN_UP_TO: u32 = 16;
/// The attribute value of zstd.
const ZSTD: i16 = 4;
/// The level that a broker or producer would use by default.
const ZSTD_LEVEL: i32 = 3;

/// One filler batch of `count` records with null key and value, all with `timestamp` (ms, -1 for none).
///
/// Base offset 0 and leader epoch -1, ready for Produce. `count` beyond [`MAX_FILLER_RECORDS`] is cut to that: the
/// caller splits longer runs. A `count` of 0 is an empty answer.
///
/// Compacted topics refuse records without a key; filler for those is not made here.
#[must_use]
pub fn filler(count: u32, timestamp: i64, ids: WriterIds) -> Bytes {
    filler_with(count, timestamp, ids, None)
}

/// Filler of one record for the end of a mirror's log. It has a key, so that compacted topics take it too; their log
/// cleaner removes it later as the tombstone that it is.
#[must_use]
pub fn fence(timestamp: i64, ids: WriterIds) -> Bytes {
    filler_with(1, timestamp, ids, Some(FENCE_KEY))
}

fn filler_with(count: u32, timestamp: i64, ids: WriterIds, key: Option<&[u8]>) -> Bytes {
    let count = count.min(MAX_FILLER_RECORDS);
    let Some(last_offset_delta) = count.checked_sub(1) else { return Bytes::new() };
    let timestamp_delta = timestamp.wrapping_sub(FILLER_BASE_TIMESTAMP);
    let mut records = Vec::with_capacity(count as usize * 18);
    for offset_delta in 0..count {
        put_record(&mut records, timestamp_delta, i64::from(offset_delta), key, None);
    }
    let mut attributes = 0;
    if count > PLAIN_UP_TO
        && let Ok(compressed) = zstd::bulk::compress(&records, ZSTD_LEVEL)
    {
        attributes = ZSTD;
        records = compressed;
    }
    let header = BatchHeader {
        base_offset: 0,
        batch_length: 0,
        partition_leader_epoch: -1,
        crc: 0,
        attributes,
        last_offset_delta: i32::try_from(last_offset_delta).unwrap_or(i32::MAX),
        base_timestamp: FILLER_BASE_TIMESTAMP,
        max_timestamp: timestamp,
        producer_id: ids.producer_id,
        producer_epoch: ids.producer_epoch,
        base_sequence: ids.base_sequence,
        record_count: i32::try_from(count).unwrap_or(i32::MAX),
    };
    sealed(header, &records)
}

/// Whether a batch of the destination log is filler of ours. Both marks must be there: a client can write neither.
#[must_use]
pub fn is_filler(header: &BatchHeader) -> bool {
    header.base_timestamp == FILLER_BASE_TIMESTAMP && header.producer_id >= RESERVED_PRODUCER_ID_BASE
}

/// Most batches that one run becomes: 2^41 offsets. What lies beyond, the client asks for next.
const MAX_RUN_BATCHES: usize = 1024;
/// Most offsets that one batch can span.
const MAX_SPAN: i64 = 1 << 31;

/// A batch over `count` offsets from `base_offset` that holds nothing for a client: one COMMIT marker, as a transaction
/// coordinator writes it.
///
/// The marker stands at the last offset of the run, so that clients that go by record offsets (and the one that shows
/// markers to its user) also continue behind the run. It has no producer id: no client then looks for an aborted
/// transaction of that producer.
///
/// One batch spans at most 2^31 offsets, since its last offset delta is an i32. A longer run becomes several batches one
/// after another in the bytes returned, at most 1024 of them: a prefix of the run is as right as the whole, since the
/// client goes on behind it. `count` below 1 gives no bytes.
#[must_use]
pub fn control_run(base_offset: i64, count: i64, partition_leader_epoch: i32) -> Bytes {
    let mut out = BytesMut::new();
    let (mut base, mut rest) = (base_offset, count);
    for _ in 0..MAX_RUN_BATCHES {
        if rest < 1 {
            break;
        }
        let span = rest.min(MAX_SPAN);
        out.extend_from_slice(&control_batch(base, span, partition_leader_epoch));
        base = base.saturating_add(span);
        rest -= span;
    }
    out.freeze()
}

fn control_batch(base_offset: i64, span: i64, partition_leader_epoch: i32) -> Bytes {
    // ControlRecordType: version 0, type 1 = COMMIT. EndTransactionMarker: version 0, coordinator epoch 0.
    const COMMIT_KEY: [u8; 4] = [0, 0, 0, 1];
    const COMMIT_VALUE: [u8; 6] = [0; 6];
    let mut records = Vec::with_capacity(32);
    put_record(&mut records, 0, span - 1, Some(&COMMIT_KEY), Some(&COMMIT_VALUE));
    let header = BatchHeader {
        base_offset,
        batch_length: 0,
        partition_leader_epoch,
        crc: 0,
        attributes: CONTROL | TRANSACTIONAL,
        last_offset_delta: i32::try_from(span - 1).unwrap_or(i32::MAX),
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 1,
    };
    sealed(header, &records)
}

/// Header and records as one batch, with the length and the CRC that follow from them.
fn sealed(mut header: BatchHeader, records: &[u8]) -> Bytes {
    let length = HEADER_LEN - LENGTH_OVERHEAD + records.len();
    header.batch_length = i32::try_from(length).unwrap_or(i32::MAX);
    let mut out = BytesMut::with_capacity(HEADER_LEN + records.len());
    out.put_slice(&header.to_bytes());
    out.put_slice(records);
    let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
    out[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// One v2 record without headers: `DefaultRecord` of Kafka.
fn put_record(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let sized = |field: Option<&[u8]>| match field {
        Some(bytes) => varint_len(bytes.len() as i64) + bytes.len(),
        None => 1,
    };
    // Attributes and the header count take a byte each.
    let length = 2 + varint_len(timestamp_delta) + varint_len(offset_delta) + sized(key) + sized(value);
    put_varint(out, length as i64);
    out.push(0);
    put_varint(out, timestamp_delta);
    put_varint(out, offset_delta);
    for field in [key, value] {
        match field {
            Some(bytes) => {
                put_varint(out, bytes.len() as i64);
                out.extend_from_slice(bytes);
            }
            None => put_varint(out, -1),
        }
    }
    put_varint(out, 0);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_len(value: i64) -> usize {
    (64 - (zigzag(value) | 1).leading_zeros()).div_ceil(7) as usize
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_unsigned_varint(out, zigzag(value));
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{Compression, RecordBatchDecoder};

    use super::super::walk::walk;
    use super::*;

    const IDS: WriterIds =
        WriterIds { producer_id: RESERVED_PRODUCER_ID_BASE + 9, producer_epoch: 0, base_sequence: 1000 };

    fn decoded(bytes: &Bytes) -> Vec<kafka_protocol::records::Record> {
        let decompress = |data: &mut Bytes, codec| match codec {
            Compression::Zstd => Ok(zstd::bulk::decompress(data, 64 << 20).unwrap().into()),
            _ => Ok(data.clone()),
        };
        RecordBatchDecoder::decode_with_custom_compression(&mut bytes.clone(), Some(decompress))
            .unwrap()
            .records
    }

    #[test]
    fn filler_has_one_minimal_record_per_offset() {
        for (count, timestamp) in [(1, 0), (16, -1), (17, 1_700_000_000_123), (5000, i64::MAX / 2)] {
            let bytes = filler(count, timestamp, IDS);
            let batches: Vec<_> = walk(&bytes).map(Result::unwrap).collect();
            assert_eq!(batches.len(), 1);
            let header = batches[0].header;
            assert!(batches[0].crc_matches() && is_filler(&header));
            assert_eq!((header.base_offset, header.partition_leader_epoch), (0, -1));
            assert_eq!((header.record_count, header.last_offset_delta), (count as i32, count as i32 - 1));
            assert_eq!(header.max_timestamp, timestamp);
            assert_eq!((header.producer_id, header.base_sequence), (IDS.producer_id, 1000));
            let records = decoded(&bytes);
            assert_eq!(records.len(), count as usize);
            for (index, record) in records.iter().enumerate() {
                assert_eq!(record.offset, index as i64);
                assert_eq!(record.timestamp, timestamp);
                assert!(record.key.is_none() && record.value.is_none() && record.headers.is_empty());
            }
        }
    }

    #[test]
    fn a_large_filler_is_small_and_a_too_large_one_is_cut() {
        let bytes = filler(u32::MAX, 5, IDS);
        let header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(header.record_count, MAX_FILLER_RECORDS as i32);
        assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
        assert!(filler(0, 5, IDS).is_empty());
    }

    #[test]
    fn only_both_marks_together_are_filler() {
        let header = BatchHeader::parse(&filler(3, 5, IDS)).unwrap();
        assert!(is_filler(&header));
        assert!(!is_filler(&BatchHeader { producer_id: RESERVED_PRODUCER_ID_BASE - 1, ..header }));
        assert!(!is_filler(&BatchHeader { base_timestamp: FILLER_BASE_TIMESTAMP + 1, ..header }));
    }

    #[test]
    fn a_control_run_covers_exactly_its_offsets() {
        for count in [1, 2, 1_000_000, MAX_SPAN, MAX_SPAN + 1, 5 * MAX_SPAN + 3] {
            let bytes = control_run(77, count, 4);
            let mut next = 77;
            for batch in walk(&bytes) {
                let batch = batch.unwrap();
                assert!(batch.crc_matches());
                let header = batch.header;
                assert!(header.is_control() && header.is_transactional() && !is_filler(&header));
                assert_eq!((header.base_offset, header.partition_leader_epoch), (next, 4));
                assert_eq!((header.record_count, header.producer_id), (1, -1));
                let records = decoded(&batch.bytes);
                assert_eq!(records[0].offset, header.last_offset());
                assert_eq!(records[0].key.as_deref(), Some(&[0u8, 0, 0, 1][..]));
                next = header.next_offset();
            }
            assert_eq!(next, 77 + count);
        }
        assert!(control_run(5, 0, 0).is_empty() && control_run(5, -3, 0).is_empty());
        assert_eq!(walk(&control_run(0, i64::MAX, 0)).count(), MAX_RUN_BATCHES);
    }
}
