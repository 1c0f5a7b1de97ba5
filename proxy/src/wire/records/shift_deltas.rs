//! Re-encodes a dense source batch record by record, with new offset and timestamp deltas. Its memory is
//! bounded by the codec and the compressed output, whatever the decompressed size is.
//!
//! [`crate::wire::records::fill_holes`] does the same with the whole payload in memory, and also fills holes. This module is
//! for batches that are too large for that: twenty KiB may decompress to gigabytes. Otherwise any client that
//! may write to the source could stop its mirrors with such a batch.

use std::io::Write as _;

use bytes::Bytes;

use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::compression::{ANY_WINDOW, CompressionError, Encoder};
use crate::wire::records::fill_holes::{Dense, MAX_DECOMPRESSED};
use crate::wire::records::filler::{FillerKind, MIXED_BASE_TIMESTAMP};
use crate::wire::records::read::{RecordsError, plain_base};
use crate::wire::records::record_stream::{RecordStream, Tail};
use crate::wire::records::record_writer::{put_head, sealed};
use crate::wire::records::rewrite_header::{WriterIds, verify_crc};
use crate::wire::records::source_marks::mark_in_source;

/// Maximum decompressed size of a payload, in bytes. A batch of the default maximum size of a topic cannot
/// hold more, in any codec.
pub(crate) const MAX_STREAMED: u64 = 64 << 30;

/// Re-encodes a dense data batch from offset `from` on, as [`crate::wire::records::fill_holes::fill_holes`] does. `from` may lie
/// inside the batch. `ids.base_sequence` is the sequence of `from`. Records of a LogAppendTime batch get the
/// maximum timestamp of the batch.
///
/// A source batch that has a mark of filler is written as a mixed batch, also if it has no sentinel. If it
/// has only sentinels, the result has no records, and the caller writes filler there.
///
/// # Errors
/// Fails if the batch is damaged or not dense, if it decompresses to more than `limit` bytes, or if the
/// compressed result is larger than [`MAX_DECOMPRESSED`].
pub(crate) fn restamp(
    batch: &RawBatch,
    from: i64,
    preceding_timestamp: i64,
    ids: WriterIds,
    limit: u64,
) -> Result<Dense, RecordsError> {
    let header = batch.header;
    let offset = header.base_offset;
    if header.is_control() {
        return Err(RecordsError::Control { offset });
    }
    if from < offset || from > header.last_offset() {
        return Err(RecordsError::Outside { from, base_offset: offset, last_offset: header.last_offset() });
    }
    if i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(RecordsError::NoRun { offset, what: "it has holes" });
    }
    verify_crc(batch)?;
    let payload = batch.payload();
    let mut stream = RecordStream::open(batch, &payload, limit, ANY_WINDOW)?;
    let mut written = ShiftedBatch::new(&header, preceding_timestamp)?;
    while let Some((head, tail)) = stream.next()? {
        if offset + head.offset_delta < from {
            stream.pass(&tail)?;
            continue;
        }
        let timestamp = match header.is_log_append_time() {
            true => header.max_timestamp,
            false => header.base_timestamp.wrapping_add(head.timestamp_delta),
        };
        written.push(timestamp, head.attributes, &tail)?;
        let copied = stream.copy(&tail, &mut written.records);
        copied.and_then(|()| written.check_size())?;
    }
    written.finish(from, ids, stream.read())
}

/// The batch that is being written.
struct ShiftedBatch {
    header: BatchHeader,
    of_a_mirror: bool,
    base_timestamp: Option<i64>,
    max_timestamp: Option<i64>,
    last_timestamp: i64,
    count: i32,
    /// Records that clients may see. In a source that is a mirror itself, sentinels do not count.
    real: usize,
    records: Encoder,
    head: Vec<u8>,
}

impl ShiftedBatch {
    fn new(header: &BatchHeader, last_timestamp: i64) -> Result<Self, RecordsError> {
        let records = Encoder::new(header.codec())
            .map_err(|source| RecordsError::Compression { offset: header.base_offset, source })?;
        let of_a_mirror = mark_in_source(header) != FillerKind::Real;
        Ok(ShiftedBatch {
            header: *header,
            of_a_mirror,
            base_timestamp: of_a_mirror.then_some(MIXED_BASE_TIMESTAMP),
            max_timestamp: None,
            last_timestamp,
            count: 0,
            real: 0,
            records,
            head: Vec::new(),
        })
    }

    /// Writes the next record up to its tail.
    fn push(&mut self, timestamp: i64, attributes: i8, tail: &Tail) -> Result<(), RecordsError> {
        let base = *self.base_timestamp.get_or_insert(plain_base(timestamp));
        self.head.clear();
        let delta = timestamp.wrapping_sub(base);
        put_head(&mut self.head, attributes, delta, i64::from(self.count), tail.len());
        self.max_timestamp = self.max_timestamp.max(Some(timestamp));
        self.count = self.count.saturating_add(1);
        if !(self.of_a_mirror && matches!(tail, Tail::Sentinel)) {
            self.real += 1;
            self.last_timestamp = timestamp;
        }
        self.records.write_all(&self.head).map_err(|source| self.damaged(source))
    }

    fn check_size(&self) -> Result<(), RecordsError> {
        if self.records.size() <= MAX_DECOMPRESSED {
            return Ok(());
        }
        let source = CompressionError::TooLarge { limit: MAX_DECOMPRESSED };
        Err(RecordsError::Compression { offset: self.header.base_offset, source })
    }

    fn finish(self, from: i64, ids: WriterIds, decompressed: u64) -> Result<Dense, RecordsError> {
        let header = BatchHeader {
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: self.header.codec().attribute(),
            last_offset_delta: self.count.saturating_sub(1),
            base_timestamp: self.base_timestamp.unwrap_or(-1),
            max_timestamp: self.max_timestamp.unwrap_or(-1),
            producer_id: ids.producer_id,
            producer_epoch: ids.producer_epoch,
            base_sequence: ids.base_sequence,
            record_count: self.count,
            ..self.header
        };
        let mixed = self.real < self.count.unsigned_abs() as usize;
        let (real, last_timestamp, next_offset) = (self.real, self.last_timestamp, self.header.next_offset());
        let (offset, codec) = (self.header.base_offset, self.header.codec());
        let damaged = |source| RecordsError::Compression {
            offset,
            source: CompressionError::Damaged { codec, source },
        };
        let bytes = match real {
            0 => Bytes::new(),
            _ => sealed(header, &self.records.finish().map_err(damaged)?),
        };
        Ok(Dense {
            base_offset: from,
            next_offset,
            bytes,
            last_timestamp,
            records: real,
            unkeyed: 0,
            mixed,
            decompressed,
        })
    }

    fn damaged(&self, source: std::io::Error) -> RecordsError {
        let (offset, codec) = (self.header.base_offset, self.header.codec());
        RecordsError::Compression { offset, source: CompressionError::Damaged { codec, source } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::batch::{CONTROL, Codec, LOG_APPEND_TIME, TRANSACTIONAL};
    use crate::wire::records::compression::{compress, decompress};
    use crate::wire::records::fill_holes::{FillHolesOptions, fill_holes};
    use crate::wire::records::filler::{FILLER_BASE_TIMESTAMP, SENTINEL_TAIL, mark};
    use crate::wire::records::record_writer::put_record;

    const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 40 };
    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    const TAIL: &[u8] = &[2, b'k', 2, b'v', 2, 2, b'h', 1];

    fn source(codec: Codec, attributes: i16, tails: &[&[u8]]) -> RawBatch {
        let mut payload = Vec::new();
        for (delta, tail) in (0..).zip(tails) {
            put_record(&mut payload, 0, 1_000_000 - 5 * delta, delta, tail);
        }
        let attributes = attributes | codec.attribute();
        let header = BatchHeader {
            attributes,
            base_timestamp: FILLER_BASE_TIMESTAMP,
            max_timestamp: 1_000_000,
            ..header(70, tails.len() as i32)
        };
        batch(header, &compress(codec, &payload).unwrap())
    }

    /// Returns the header and the decompressed records.
    fn opened(dense: &Dense) -> (BatchHeader, Bytes) {
        let batch = RawBatch::parse(&dense.bytes).unwrap();
        assert!(batch.crc_matches());
        let payload = decompress(batch.header.codec(), &batch.payload(), 1 << 20).unwrap();
        (BatchHeader { crc: 0, batch_length: 0, ..batch.header }, payload)
    }

    #[test]
    fn restamp_equals_densify_in_every_codec_from_any_offset() {
        let options = FillHolesOptions { limit: 1 << 20, drop_unkeyed: false };
        for codec in CODECS {
            for attributes in [0, LOG_APPEND_TIME | TRANSACTIONAL] {
                let source = source(codec, attributes, &[TAIL, &SENTINEL_TAIL, TAIL, &[1, 1, 0]]);
                for from in 70..74 {
                    let other = fill_holes(&source, from, 5, IDS, options).unwrap();
                    let dense = restamp(&source, from, 5, IDS, 1 << 20).unwrap();
                    assert_eq!(opened(&dense), opened(&other[0]), "{codec:?} {from}");
                    let bytes = other[0].bytes.clone();
                    assert_eq!(Dense { bytes, ..dense }, other[0]);
                }
            }
        }
    }

    #[test]
    fn sentinels_of_a_mirror_stay_sentinels_in_a_mixed_batch() {
        let mut mirror = source(Codec::Zstd, 0, &[TAIL, &SENTINEL_TAIL]);
        mirror.header.producer_id = IDS.producer_id + 1;
        (mirror.header.producer_epoch, mirror.header.base_sequence) = (0, 70);
        let mirror = batch(mirror.header, &mirror.payload());
        let dense = restamp(&mirror, 70, 5, IDS, 1 << 20).unwrap();
        assert_eq!((dense.records, dense.mixed, dense.last_timestamp), (1, true, 999_936));
        assert_eq!(mark(&opened(&dense).0), FillerKind::Mixed);
    }

    #[test]
    fn a_tiny_batch_that_decompresses_to_300_mib_is_re_encoded() {
        // 3 records of 100 MiB of zeros; compressed, about ten KiB together.
        let mut encoder = Encoder::new(Codec::Zstd).unwrap();
        let zeros = vec![0; 1 << 20];
        for delta in 0..3 {
            let mut head = Vec::new();
            let mut tail = vec![1];
            crate::wire::protocol::varint::put_varint(&mut tail, 100 << 20);
            put_head(&mut head, 0, 7, delta, tail.len() + (100 << 20) + 1);
            encoder.write_all(&[head, tail].concat()).unwrap();
            (0..100).for_each(|_| encoder.write_all(&zeros).unwrap());
            encoder.write_all(&[0]).unwrap();
        }
        let payload = encoder.finish().unwrap();
        assert!(payload.len() < 100_000, "{}", payload.len());
        let attributes = Codec::Zstd.attribute();
        let header = BatchHeader { attributes, base_timestamp: FILLER_BASE_TIMESTAMP, ..header(0, 3) };
        let bomb = batch(header, &payload);
        let dense = restamp(&bomb, 0, 5, IDS, MAX_STREAMED).unwrap();
        assert_eq!((dense.records, dense.mixed, dense.last_timestamp), (3, false, FILLER_BASE_TIMESTAMP + 7));
        assert!(dense.bytes.len() < 200_000, "{}", dense.bytes.len());
        let again = RawBatch::parse(&dense.bytes).unwrap();
        let payload = again.payload();
        let stream = RecordStream::open(&again, &payload, MAX_STREAMED, ANY_WINDOW);
        let (mut stream, mut count) = (stream.unwrap(), 0);
        while let Some((_, tail)) = stream.next().unwrap() {
            assert_eq!(tail.len(), 1 + 4 + (100 << 20) + 1);
            stream.pass(&tail).unwrap();
            count += 1;
        }
        assert_eq!(count, 3);
        let refused = restamp(&bomb, 0, 5, IDS, 200 << 20).unwrap_err();
        assert!(matches!(
            refused,
            RecordsError::Compression { source: CompressionError::TooLarge { .. }, .. }
        ));
    }

    #[test]
    fn batches_that_are_not_dense_or_are_damaged_are_refused() {
        let good = source(Codec::Lz4, 0, &[TAIL, TAIL]);
        let refused =
            |header: BatchHeader| restamp(&batch(header, &good.payload()), 70, 5, IDS, 1 << 20).unwrap_err();
        let control = BatchHeader { attributes: CONTROL, ..good.header };
        assert!(matches!(refused(control), RecordsError::Control { .. }));
        assert!(matches!(
            refused(BatchHeader { last_offset_delta: 2, ..good.header }),
            RecordsError::NoRun { .. }
        ));
        let more = BatchHeader { last_offset_delta: 2, record_count: 3, ..good.header };
        assert!(matches!(refused(more), RecordsError::Compression { .. } | RecordsError::Records { .. }));
        let mut bytes = good.bytes.to_vec();
        bytes[65] ^= 1;
        let damaged = RawBatch::parse(&bytes.into()).unwrap();
        assert!(matches!(restamp(&damaged, 70, 5, IDS, 1 << 20), Err(RecordsError::Damaged(_))));
    }
}
