//! Filler: what stands on the destination at offsets that hold nothing a client could write.
//!
//! On the destination log, filler is a batch of [`SENTINEL_KEY`] tombstones, one per offset, known by its magic base
//! timestamp and reserved producer id. A batch with records *and* holes has such sentinels in the holes and a magic base
//! timestamp of its own: it is *mixed*. Both are known from the 61-byte header alone, where mirroring can have written it: see
//! [`mark`].
//!
//! Sentinels have a key so that compacted topics take them and so that what a log cleaner makes of them is still
//! recognised: all have the same key, so that it leaves one at most.
//!
//! Towards clients, a run of filler at the end of a response becomes a control batch, which every client steps over.
//! Nothing here fails: what cannot be compressed travels plain.

use bytes::{Bytes, BytesMut};
use state::model::RESERVED_PRODUCER_ID_BASE;

use super::batch::{ATTRIBUTES_AT, BatchHeader, CONTROL, CRC_AT, Codec, HEADER_LEN, RawBatch, TRANSACTIONAL};
use super::compression::compress;
use super::record::RecordView;
use super::record_writer::{batch_length, put_record, sealed};
use super::rehead::WriterIds;

/// Base timestamp of every filler batch, in ms. No client library writes it, since producers refuse negative timestamps, and
/// brokers keep it (they rewrite the maximum timestamp only), from anybody who does write it: see [`mark`]. It lies so near
/// to -1, the timestamp of most filler, that the difference takes one byte: a broker reads every record byte by byte (ADR 0015).
pub const FILLER_BASE_TIMESTAMP: i64 = -64;

/// What it was in logs that were mirrored before: "LGFIL1" as a number, negative.
const FORMER_FILLER_BASE_TIMESTAMP: i64 = -0x4C47_4649_4C31;

/// Base timestamp of every mixed batch, in ms: "LGMX1" as a number, negative. It lies in the year 1959, so that a client
/// that reads timestamp deltas as nanoseconds of 64 bits (sarama) gets them right even where no gateway takes it away.
pub const MIXED_BASE_TIMESTAMP: i64 = -0x4C_474D_5831;

/// Key of every record that stands for a hole. Its value is null and it has no headers.
pub const SENTINEL_KEY: [u8; 8] = *b"\0LGFILL\0";

/// Key, value and headers of a sentinel as on the wire; lengths zigzag: 8 for the key, -1 for the value, no headers.
pub(crate) const SENTINEL_TAIL: [u8; 11] = *b"\x10\0LGFILL\0\x01\0";

/// Most records in one filler batch: the largest that was measured to pass a stock broker. Longer runs are split.
pub const MAX_FILLER_RECORDS: u32 = 1_000_000;

/// Above this many records, a filler batch is compressed.
const PLAIN_UP_TO: u32 = 16;

/// One filler batch of `count` sentinels, all with `timestamp` (ms, -1 for none).
///
/// Base offset 0 and leader epoch -1, ready for Produce. `count` beyond [`MAX_FILLER_RECORDS`] is cut to that: the
/// caller splits longer runs. A `count` of 0 is an empty answer.
#[must_use]
pub fn filler(count: u32, timestamp: i64, ids: WriterIds) -> Bytes {
    if count == 0 {
        return Bytes::new();
    }
    let (header, payload) = FillerTemplate::new(count, timestamp).batch(ids);
    [header, payload].concat().into()
}

/// Filler of one record for the end of a mirror's log.
#[must_use]
pub fn fence(timestamp: i64, ids: WriterIds) -> Bytes {
    filler(1, timestamp, ids)
}

/// A filler batch whose records are made once and written under many headers.
#[derive(Debug, Clone)]
pub struct FillerTemplate {
    /// All but the identifiers and the CRC.
    header: BatchHeader,
    payload: Bytes,
    payload_crc: u32,
}

impl FillerTemplate {
    /// As [`filler`]: `count` sentinels, at least 1 and at most [`MAX_FILLER_RECORDS`], all with `timestamp`.
    #[must_use]
    pub fn new(count: u32, timestamp: i64) -> Self {
        let count = count.clamp(1, MAX_FILLER_RECORDS);
        let timestamp_delta = timestamp.wrapping_sub(FILLER_BASE_TIMESTAMP);
        let mut records = Vec::with_capacity(count as usize * 25);
        for offset_delta in 0..count {
            put_record(&mut records, 0, timestamp_delta, i64::from(offset_delta), &SENTINEL_TAIL);
        }
        let mut codec = Codec::None;
        if count > PLAIN_UP_TO
            && let Ok(compressed) = compress(Codec::Zstd, &records)
        {
            codec = Codec::Zstd;
            records = compressed;
        }
        let record_count = i32::try_from(count).unwrap_or(i32::MAX);
        let header = BatchHeader {
            base_offset: 0,
            batch_length: batch_length(records.len()),
            partition_leader_epoch: -1,
            crc: 0,
            attributes: codec.attribute(),
            last_offset_delta: record_count - 1,
            base_timestamp: FILLER_BASE_TIMESTAMP,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count,
        };
        FillerTemplate { header, payload_crc: crc32c::crc32c(&records), payload: records.into() }
    }

    /// Whether a batch holds the very records of this one, byte for byte.
    #[must_use]
    pub fn made(&self, batch: &RawBatch) -> bool {
        let (ours, theirs) = (&self.header, &batch.header);
        let shape = |header: &BatchHeader| (header.record_count, header.last_offset_delta, header.codec());
        shape(ours) == shape(theirs) && self.payload == batch.payload()
    }

    /// Offsets that one batch covers.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.header.record_count.unsigned_abs()
    }

    /// The 61 header bytes of a batch with these identifiers, and the payload, which all batches share.
    #[must_use]
    pub fn batch(&self, ids: WriterIds) -> (Bytes, Bytes) {
        let WriterIds { producer_id, producer_epoch, base_sequence } = ids;
        let header = BatchHeader { producer_id, producer_epoch, base_sequence, ..self.header };
        let mut bytes = header.to_bytes();
        let covered = crc32c::crc32c(&bytes[ATTRIBUTES_AT..HEADER_LEN]);
        let crc = crc32c::crc32c_combine(covered, self.payload_crc, self.payload.len());
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        (Bytes::copy_from_slice(&bytes), self.payload.clone())
    }
}

/// What a batch of the destination log is to a consumer, as far as its header claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing but records that a client may see.
    Real,
    /// Nothing that a client may see: filler of ours, or what the log cleaner left of a batch of ours that it emptied.
    Filler,
    /// Records, and sentinels in the holes between them.
    Mixed,
    /// The log cleaner rewrote it, and a sentinel may be among its records: only their keys tell.
    ///
    /// The magic of a rewritten batch is lost; producer id and offsets survive. A sentinel is a tombstone, and a batch
    /// that keeps a tombstone is given a delete horizon (`MemoryRecords.filterTo` of Kafka, since 3.1). That holds for a
    /// `delete.retention.ms` that does not overflow when the time of day is added to it.
    Cleaned,
}

/// What a batch of the destination log is, as its header claims.
///
/// That is no proof: brokers hand out no identifier in the reserved range, but take one from anybody. So a mark counts only in
/// a batch that mirroring can have written (`state::model::Written`), and a batch of a *source* is never believed by its
/// header: see [`super::source_marks`] and ADR 0022.
#[must_use]
pub fn mark(header: &BatchHeader) -> Mark {
    if header.producer_id < RESERVED_PRODUCER_ID_BASE {
        return Mark::Real;
    }
    match header.base_timestamp {
        _ if header.record_count == 0 => Mark::Filler,
        FILLER_BASE_TIMESTAMP | FORMER_FILLER_BASE_TIMESTAMP => Mark::Filler,
        MIXED_BASE_TIMESTAMP => Mark::Mixed,
        _ if header.has_delete_horizon() => Mark::Cleaned,
        _ => Mark::Real,
    }
}

/// Whether a batch of the destination log claims to be filler of ours, whole.
#[must_use]
pub fn is_filler(header: &BatchHeader) -> bool {
    mark(header) == Mark::Filler
}

/// Whether a base timestamp is one of the magic ones. A batch of a *source* that bears it must not come under a header
/// of ours as it is, or it would be taken for filler: see [`super::densify`].
#[must_use]
pub fn is_magic(base_timestamp: i64) -> bool {
    matches!(base_timestamp, FILLER_BASE_TIMESTAMP | FORMER_FILLER_BASE_TIMESTAMP | MIXED_BASE_TIMESTAMP)
}

/// Whether a record stands for a hole.
#[must_use]
pub fn is_sentinel(record: &RecordView<'_>) -> bool {
    record.value.is_none() && !record.has_headers && record.key == Some(&SENTINEL_KEY[..])
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
    // Key (ControlRecordType): version 0, type 1 = COMMIT. Value (EndTransactionMarker): version 0, coordinator epoch 0.
    const COMMIT_TAIL: [u8; 13] = [8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0];
    let mut records = Vec::with_capacity(32);
    put_record(&mut records, 0, 0, span - 1, &COMMIT_TAIL);
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

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{Compression, RecordBatchDecoder};

    use super::super::batch::DELETE_HORIZON;
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
                assert_eq!(record.key.as_deref(), Some(&SENTINEL_KEY[..]));
                assert!(record.value.is_none() && record.headers.is_empty());
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
    fn a_template_gives_the_batches_that_filler_gives_and_shares_its_payload() {
        for count in [1, 16, 17, 100_000] {
            let template = FillerTemplate::new(count, 1234);
            assert_eq!(template.count(), count);
            let payload = template.batch(IDS).1;
            for base_sequence in [0, 77, i32::MAX] {
                let ids = WriterIds { base_sequence, ..IDS };
                let (header, shared) = template.batch(ids);
                assert_eq!(shared.as_ptr(), payload.as_ptr());
                let whole = Bytes::from([header, shared].concat());
                assert!(walk(&whole).all(|batch| batch.unwrap().crc_matches()));
                assert_eq!(whole, filler(count, 1234, ids));
            }
        }
        assert_eq!(FillerTemplate::new(0, 5).count(), 1);
    }

    #[test]
    fn what_a_cleaner_makes_of_our_batches_is_recognised() {
        let header = BatchHeader::parse(&filler(3, 5, IDS)).unwrap();
        // One sentinel left: base timestamp and horizon bit are the cleaner's.
        let rewritten =
            BatchHeader { base_timestamp: 99, record_count: 1, attributes: DELETE_HORIZON, ..header };
        assert_eq!(mark(&rewritten), Mark::Cleaned);
        let emptied = BatchHeader { base_timestamp: -1, record_count: 0, ..header };
        assert_eq!(mark(&emptied), Mark::Filler);
        let mixed = BatchHeader { base_timestamp: MIXED_BASE_TIMESTAMP, ..header };
        assert_eq!(mark(&mixed), Mark::Mixed);
        let foreign = |header| mark(&BatchHeader { producer_id: 7, ..header });
        for header in [rewritten, emptied, mixed, header] {
            assert_eq!(foreign(header), Mark::Real);
        }
        assert_eq!(mark(&BatchHeader { base_timestamp: 99, ..header }), Mark::Real);
    }

    #[test]
    fn a_sentinel_is_a_tombstone_with_the_key_and_nothing_else() {
        let mut tail = vec![16];
        tail.extend_from_slice(&SENTINEL_KEY);
        tail.extend_from_slice(&[1, 0]);
        assert_eq!(tail, SENTINEL_TAIL);
    }

    #[test]
    fn only_both_marks_together_are_filler() {
        let header = BatchHeader::parse(&filler(3, 5, IDS)).unwrap();
        assert!(is_filler(&header));
        assert!(!is_filler(&BatchHeader { producer_id: RESERVED_PRODUCER_ID_BASE - 1, ..header }));
        assert!(!is_filler(&BatchHeader { base_timestamp: FILLER_BASE_TIMESTAMP + 1, ..header }));
        assert!(is_filler(&BatchHeader { base_timestamp: FORMER_FILLER_BASE_TIMESTAMP, ..header }));
        assert!(is_magic(FORMER_FILLER_BASE_TIMESTAMP), "a source batch that bears it would be hidden");
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
