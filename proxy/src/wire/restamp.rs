//! A dense source batch whose records only get other deltas, re-encoded record by record: memory is that of the codec and of what
//! comes out, whatever the payload becomes.
//!
//! [`super::densify`] does the same with the payload in memory, and holes. This is for batches that are too large for that: some
//! twenty KiB may become gigabytes, and who can write to a source could stop its mirrors with them.

use std::io::Write as _;

use bytes::Bytes;

use super::batch::{BatchHeader, RawBatch};
use super::compression::{ANY_WINDOW, CompressionError, Encoder};
use super::densify::{Dense, DensifyError, MAX_DECOMPRESSED, plain_base};
use super::filler::{MIXED_BASE_TIMESTAMP, Mark};
use super::record_stream::{RecordStream, Tail};
use super::record_writer::{put_head, sealed};
use super::rehead::{WriterIds, verify_crc};
use super::source_marks::mark_in_source;

/// Most bytes that the payload may become: more than a batch of the size that topics take by default can hold, in any codec.
pub const MAX_STREAMED: u64 = 64 << 30;

/// Re-encodes a dense data batch from offset `from` on, which may lie inside it, as [`super::densify::densify`] would:
/// `ids.base_sequence` is that of `from`, and records of a LogAppendTime batch get the batch's maximum timestamp.
///
/// A source batch that bears a mark of filler comes out as mixed, whether there is a sentinel in it or not; one with
/// nothing but sentinels has no records, and the caller writes filler there.
///
/// # Errors
/// [`DensifyError`] for a batch that is damaged, not dense, or becomes larger than `limit`; also when what comes out is larger than
/// [`MAX_DECOMPRESSED`].
pub fn restamp(
    batch: &RawBatch,
    from: i64,
    preceding_timestamp: i64,
    ids: WriterIds,
    limit: u64,
) -> Result<Dense, DensifyError> {
    let header = batch.header;
    let offset = header.base_offset;
    if header.is_control() {
        return Err(DensifyError::Control { offset });
    }
    if from < offset || from > header.last_offset() {
        return Err(DensifyError::Outside { from, base_offset: offset, last_offset: header.last_offset() });
    }
    if i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(DensifyError::NoRun { offset, what: "it has holes" });
    }
    verify_crc(batch)?;
    let payload = batch.payload();
    let mut stream = RecordStream::open(batch, &payload, limit, ANY_WINDOW)?;
    let mut written = Written::new(&header, preceding_timestamp)?;
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

/// The batch to be.
struct Written {
    header: BatchHeader,
    of_a_mirror: bool,
    base_timestamp: Option<i64>,
    max_timestamp: Option<i64>,
    last_timestamp: i64,
    count: i32,
    /// Those that are no sentinels of a source that is a mirror itself.
    real: usize,
    records: Encoder,
    head: Vec<u8>,
}

impl Written {
    fn new(header: &BatchHeader, last_timestamp: i64) -> Result<Self, DensifyError> {
        let records = Encoder::new(header.codec())
            .map_err(|source| DensifyError::Compression { offset: header.base_offset, source })?;
        let of_a_mirror = mark_in_source(header) != Mark::Real;
        Ok(Written {
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

    /// The next record up to its tail.
    fn push(&mut self, timestamp: i64, attributes: i8, tail: &Tail) -> Result<(), DensifyError> {
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

    fn check_size(&self) -> Result<(), DensifyError> {
        if self.records.size() <= MAX_DECOMPRESSED {
            return Ok(());
        }
        let source = CompressionError::TooLarge { limit: MAX_DECOMPRESSED };
        Err(DensifyError::Compression { offset: self.header.base_offset, source })
    }

    fn finish(self, from: i64, ids: WriterIds, decompressed: u64) -> Result<Dense, DensifyError> {
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
        let damaged = |source| DensifyError::Compression {
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

    fn damaged(&self, source: std::io::Error) -> DensifyError {
        let (offset, codec) = (self.header.base_offset, self.header.codec());
        DensifyError::Compression { offset, source: CompressionError::Damaged { codec, source } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::testing::{batch, header};
    use super::super::batch::{CONTROL, Codec, LOG_APPEND_TIME, TRANSACTIONAL};
    use super::super::compression::{compress, decompress};
    use super::super::densify::{DensifyOptions, densify};
    use super::super::filler::{FILLER_BASE_TIMESTAMP, SENTINEL_TAIL, mark};
    use super::super::record_writer::put_record;
    use super::*;

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

    /// Header and decompressed records.
    fn opened(dense: &Dense) -> (BatchHeader, Bytes) {
        let batch = RawBatch::parse(&dense.bytes).unwrap();
        assert!(batch.crc_matches());
        let payload = decompress(batch.header.codec(), &batch.payload(), 1 << 20).unwrap();
        (BatchHeader { crc: 0, batch_length: 0, ..batch.header }, payload)
    }

    #[test]
    fn it_gives_what_densify_gives_in_every_codec_and_from_any_offset() {
        let options = DensifyOptions { limit: 1 << 20, drop_unkeyed: false };
        for codec in CODECS {
            for attributes in [0, LOG_APPEND_TIME | TRANSACTIONAL] {
                let source = source(codec, attributes, &[TAIL, &SENTINEL_TAIL, TAIL, &[1, 1, 0]]);
                for from in 70..74 {
                    let other = densify(&source, from, 5, IDS, options).unwrap();
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
        assert_eq!(mark(&opened(&dense).0), Mark::Mixed);
    }

    #[test]
    fn a_batch_that_becomes_gigabytes_is_re_encoded_in_the_memory_of_its_codec() {
        // 3 records of 100 MiB of zeros, some ten KiB in all.
        let mut encoder = Encoder::new(Codec::Zstd).unwrap();
        let zeros = vec![0; 1 << 20];
        for delta in 0..3 {
            let mut head = Vec::new();
            let mut tail = vec![1];
            super::super::varint::put_varint(&mut tail, 100 << 20);
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
            DensifyError::Compression { source: CompressionError::TooLarge { .. }, .. }
        ));
    }

    #[test]
    fn what_is_not_dense_or_damaged_is_refused() {
        let good = source(Codec::Lz4, 0, &[TAIL, TAIL]);
        let refused =
            |header: BatchHeader| restamp(&batch(header, &good.payload()), 70, 5, IDS, 1 << 20).unwrap_err();
        let control = BatchHeader { attributes: CONTROL, ..good.header };
        assert!(matches!(refused(control), DensifyError::Control { .. }));
        assert!(matches!(
            refused(BatchHeader { last_offset_delta: 2, ..good.header }),
            DensifyError::NoRun { .. }
        ));
        let more = BatchHeader { last_offset_delta: 2, record_count: 3, ..good.header };
        assert!(matches!(refused(more), DensifyError::Compression { .. } | DensifyError::Records { .. }));
        let mut bytes = good.bytes.to_vec();
        bytes[65] ^= 1;
        let damaged = RawBatch::parse(&bytes.into()).unwrap();
        assert!(matches!(restamp(&damaged, 70, 5, IDS, 1 << 20), Err(DensifyError::Damaged(_))));
    }
}
