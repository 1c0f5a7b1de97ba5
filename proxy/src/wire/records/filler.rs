//! Builds and recognises filler: the batches at destination offsets that hold no record of a client.
//!
//! On the destination log, filler is a batch of [`SENTINEL_KEY`] tombstones, one per offset. It has a magic
//! base timestamp and a reserved producer id. A batch with records *and* holes has such sentinels in the
//! holes, and another magic base timestamp: it is *mixed*. The 61-byte header alone identifies both, in
//! batches that mirroring can have written: see [`mark`].
//!
//! Sentinels have a key so that compacted topics accept them. All have the same key, so a log cleaner leaves
//! at most one of them, and what it leaves can still be recognised.
//!
//! For clients, a run of filler at the end of a response becomes a control batch, which every client skips.
//! The functions of this module never fail: if compression fails, they write uncompressed.

use bytes::{Bytes, BytesMut};
use state::model::RESERVED_PRODUCER_ID_BASE;

use crate::wire::records::batch::{
    ATTRIBUTES_AT, BatchHeader, CONTROL, CRC_AT, Codec, HEADER_LEN, RawBatch, TRANSACTIONAL,
};
use crate::wire::records::compression::compress;
use crate::wire::records::record::RecordView;
use crate::wire::records::record_writer::{batch_length, put_record, sealed};
use crate::wire::records::rewrite_header::WriterIds;

/// Base timestamp of every filler batch, in ms. No client library writes it, because producers refuse
/// negative timestamps. Brokers keep it: they rewrite only the maximum timestamp. But they keep it from any
/// writer, see [`mark`]. It is so close to -1, the timestamp of most filler, that the difference takes one
/// byte: a broker reads every record byte by byte (ADR 0015).
pub const FILLER_BASE_TIMESTAMP: i64 = -64;

/// Base timestamp of filler in logs that were mirrored by older versions, in ms: "LGFIL1" as a number,
/// negative.
const FORMER_FILLER_BASE_TIMESTAMP: i64 = -0x4C47_4649_4C31;

/// Base timestamp of every mixed batch, in ms: "LGMX1" as a number, negative. It lies in the year 1959. So a
/// client that reads timestamp deltas as 64-bit nanoseconds (sarama) gets them right, even without a gateway
/// that replaces this timestamp.
pub const MIXED_BASE_TIMESTAMP: i64 = -0x4C_474D_5831;

/// Key of every sentinel. A sentinel has a null value and no headers.
pub const SENTINEL_KEY: [u8; 8] = *b"\0LGFILL\0";

/// Key, value and headers of a sentinel in wire format. Lengths are zigzag varints: 8 for the key, -1 for the
/// value, no headers.
pub(crate) const SENTINEL_TAIL: [u8; 11] = *b"\x10\0LGFILL\0\x01\0";

/// Maximum number of records in one filler batch: the largest number that a stock broker accepted in
/// measurements. Longer runs are split.
pub(crate) const MAX_FILLER_RECORDS: u32 = 1_000_000;

/// Largest number of records in an uncompressed filler batch.
const PLAIN_UP_TO: u32 = 16;

/// Builds one filler batch of `count` sentinels, all with `timestamp` (ms, -1 for none).
///
/// The batch has base offset 0 and leader epoch -1, ready for Produce. A `count` above [`MAX_FILLER_RECORDS`]
/// is reduced to that: the caller splits longer runs. Returns no bytes if `count` is 0.
#[must_use]
pub fn filler(count: u32, timestamp: i64, ids: WriterIds) -> Bytes {
    if count == 0 {
        return Bytes::new();
    }
    let (header, payload) = FillerTemplate::new(count, timestamp).batch(ids);
    [header, payload].concat().into()
}

/// Builds a filler batch of one record, for the end of a mirror's log.
#[must_use]
pub(crate) fn fence(timestamp: i64, ids: WriterIds) -> Bytes {
    filler(1, timestamp, ids)
}

/// Filler batch whose records are built once and written under many headers.
#[derive(Debug, Clone)]
pub(crate) struct FillerTemplate {
    /// Header without producer ids and CRC.
    header: BatchHeader,
    payload: Bytes,
    payload_crc: u32,
}

impl FillerTemplate {
    /// Builds a template of `count` sentinels, all with `timestamp` (ms, -1 for none). `count` is limited to
    /// 1 to [`MAX_FILLER_RECORDS`].
    #[must_use]
    pub(crate) fn new(count: u32, timestamp: i64) -> Self {
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

    /// Returns true if the records of `batch` are equal to those of this template, byte for byte.
    #[must_use]
    pub(crate) fn made(&self, batch: &RawBatch) -> bool {
        let (ours, theirs) = (&self.header, &batch.header);
        let shape = |header: &BatchHeader| (header.record_count, header.last_offset_delta, header.codec());
        shape(ours) == shape(theirs) && self.payload == batch.payload()
    }

    /// Returns the number of offsets that one batch covers.
    #[must_use]
    pub(crate) fn count(&self) -> u32 {
        self.header.record_count.unsigned_abs()
    }

    /// Returns the 61 header bytes of a batch with these ids, and the payload, which all batches share.
    #[must_use]
    pub(crate) fn batch(&self, ids: WriterIds) -> (Bytes, Bytes) {
        let WriterIds { producer_id, producer_epoch, base_sequence } = ids;
        let header = BatchHeader { producer_id, producer_epoch, base_sequence, ..self.header };
        let mut bytes = header.to_bytes();
        let covered = crc32c::crc32c(&bytes[ATTRIBUTES_AT..HEADER_LEN]);
        let crc = crc32c::crc32c_combine(covered, self.payload_crc, self.payload.len());
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        (Bytes::copy_from_slice(&bytes), self.payload.clone())
    }
}

/// Content of a destination batch, according to its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillerKind {
    /// Only records that a client may see.
    Real,
    /// Nothing that a client may see: filler, or a batch of Linkgate that the log cleaner emptied.
    Filler,
    /// Records, and sentinels in the holes between them.
    Mixed,
    /// The log cleaner rewrote the batch, and a sentinel may be among its records. Only the record keys tell.
    ///
    /// A rewritten batch loses its magic base timestamp, but keeps its producer id and offsets. A sentinel is
    /// a tombstone, and a batch that keeps a tombstone gets a delete horizon (`MemoryRecords.filterTo` of
    /// Kafka, since 3.1). This holds as long as the current time plus `delete.retention.ms` does not
    /// overflow.
    Cleaned,
}

/// Returns the mark of a batch of the destination log, according to its header.
///
/// The mark is no proof. Brokers hand out no producer id in the reserved range, but accept one from any
/// client. So a mark counts only in a batch that mirroring can have written (`state::model::Written`). The
/// header of a *source* batch is never trusted: see [`crate::wire::records::source_marks`] and ADR 0022.
#[must_use]
pub fn mark(header: &BatchHeader) -> FillerKind {
    if header.producer_id < RESERVED_PRODUCER_ID_BASE {
        return FillerKind::Real;
    }
    match header.base_timestamp {
        _ if header.record_count == 0 => FillerKind::Filler,
        FILLER_BASE_TIMESTAMP | FORMER_FILLER_BASE_TIMESTAMP => FillerKind::Filler,
        MIXED_BASE_TIMESTAMP => FillerKind::Mixed,
        _ if header.has_delete_horizon() => FillerKind::Cleaned,
        _ => FillerKind::Real,
    }
}

/// Returns true if a base timestamp is one of the magic ones. A *source* batch with such a timestamp must be
/// re-encoded before it gets a header of Linkgate, or it would be taken for filler: see [`crate::wire::records::fill_holes`].
#[must_use]
pub(crate) fn is_magic(base_timestamp: i64) -> bool {
    matches!(base_timestamp, FILLER_BASE_TIMESTAMP | FORMER_FILLER_BASE_TIMESTAMP | MIXED_BASE_TIMESTAMP)
}

/// Returns true if a record is a sentinel.
#[must_use]
pub fn is_sentinel(record: &RecordView<'_>) -> bool {
    record.value.is_none() && !record.has_headers && record.key == Some(&SENTINEL_KEY[..])
}

/// Maximum number of batches for one run: 2^41 offsets. The client fetches the rest with its next request.
const MAX_RUN_BATCHES: usize = 1024;
/// Maximum number of offsets in one batch.
const MAX_SPAN: i64 = 1 << 31;

/// Builds a batch over `count` offsets from `base_offset` that has no record for a client. It has one COMMIT
/// marker, as a transaction coordinator writes it.
///
/// The marker is at the last offset of the run. So clients that continue after the last record's offset (and
/// the one client that shows markers to its user) also continue after the run. The marker has no producer id,
/// so no client looks for an aborted transaction of that producer.
///
/// One batch spans at most 2^31 offsets, because its last offset delta is an i32. A longer run becomes
/// several consecutive batches, at most 1024. A prefix of the run is as correct as the whole, because the
/// client continues after it. Returns no bytes if `count` is below 1.
#[must_use]
pub(crate) fn control_run(base_offset: i64, count: i64, partition_leader_epoch: i32) -> Bytes {
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
    // Key (ControlRecordType): version 0, type 1 = COMMIT. Value (EndTransactionMarker): version 0,
    // coordinator epoch 0.
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

    use super::*;

    fn is_filler(header: &BatchHeader) -> bool {
        mark(header) == FillerKind::Filler
    }
    use crate::wire::records::batch::DELETE_HORIZON;
    use crate::wire::records::walk::walk;

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
    fn large_filler_compresses_well_and_too_large_a_count_is_reduced() {
        let bytes = filler(u32::MAX, 5, IDS);
        let header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(header.record_count, MAX_FILLER_RECORDS as i32);
        assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
        assert!(filler(0, 5, IDS).is_empty());
    }

    #[test]
    fn a_template_builds_the_same_batches_as_filler_and_shares_its_payload() {
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
    fn batches_rewritten_by_the_log_cleaner_are_recognised() {
        let header = BatchHeader::parse(&filler(3, 5, IDS)).unwrap();
        // One sentinel is left. The cleaner has set the base timestamp and the delete-horizon bit.
        let rewritten =
            BatchHeader { base_timestamp: 99, record_count: 1, attributes: DELETE_HORIZON, ..header };
        assert_eq!(mark(&rewritten), FillerKind::Cleaned);
        let emptied = BatchHeader { base_timestamp: -1, record_count: 0, ..header };
        assert_eq!(mark(&emptied), FillerKind::Filler);
        let mixed = BatchHeader { base_timestamp: MIXED_BASE_TIMESTAMP, ..header };
        assert_eq!(mark(&mixed), FillerKind::Mixed);
        let foreign = |header| mark(&BatchHeader { producer_id: 7, ..header });
        for header in [rewritten, emptied, mixed, header] {
            assert_eq!(foreign(header), FillerKind::Real);
        }
        assert_eq!(mark(&BatchHeader { base_timestamp: 99, ..header }), FillerKind::Real);
    }

    #[test]
    fn a_sentinel_is_a_tombstone_with_the_key_and_nothing_else() {
        let mut tail = vec![16];
        tail.extend_from_slice(&SENTINEL_KEY);
        tail.extend_from_slice(&[1, 0]);
        assert_eq!(tail, SENTINEL_TAIL);
    }

    #[test]
    fn filler_needs_a_magic_base_timestamp_and_a_reserved_producer_id() {
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
