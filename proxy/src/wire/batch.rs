//! The 61-byte header of a v2 record batch, read without touching what follows it.
//!
//! Layout: Kafka's `DefaultRecordBatch`. The CRC-32C covers everything from the attributes on. Nothing here verifies it:
//! [`super::rehead`] does, and the destination broker does.

use bytes::Bytes;

/// Length of a v2 batch header: where the (possibly compressed) records begin.
pub const HEADER_LEN: usize = 61;
/// Bytes before and including the `batchLength` field: what that field does not count.
pub const LENGTH_OVERHEAD: usize = 12;
/// Where the CRC field is.
pub(crate) const CRC_AT: usize = 17;
/// Where the part that the CRC covers begins.
pub(crate) const ATTRIBUTES_AT: usize = 21;
const MAGIC_AT: usize = 16;

/// Attribute bits of the codec.
const CODEC_MASK: i16 = 0x07;
/// Attribute bit: timestamps were set by the broker (LogAppendTime).
pub const LOG_APPEND_TIME: i16 = 0x08;
/// Attribute bit: part of a transaction.
pub const TRANSACTIONAL: i16 = 0x10;
/// Attribute bit: control batch (markers).
pub const CONTROL: i16 = 0x20;
/// Attribute bit: `baseTimestamp` is the cleaner's delete horizon.
pub const DELETE_HORIZON: i16 = 0x40;

/// Bytes that are no v2 batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A message of format v0 or v1, or of one from the future.
    #[error("batch at offset {offset} has message format v{magic}; only v2 is mirrored")]
    Magic {
        /// Its base offset.
        offset: i64,
        /// The magic byte.
        magic: i8,
    },
    /// Fewer bytes than a header.
    #[error("{have} bytes are no batch header of {HEADER_LEN} bytes")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// A length field that cannot be.
    #[error("batch at offset {offset} claims a length of {length} bytes")]
    Length {
        /// Its base offset.
        offset: i64,
        /// The `batchLength` field.
        length: i32,
    },
    /// Offsets that cannot be: negative, or beyond what 63 bits hold.
    #[error("batch at offset {offset} claims last offset delta {last_offset_delta}")]
    Offsets {
        /// Its base offset.
        offset: i64,
        /// The `lastOffsetDelta` field.
        last_offset_delta: i32,
    },
    /// A control batch whose marker cannot be read.
    #[error("control batch at offset {offset}: {what}")]
    Marker {
        /// Its base offset.
        offset: i64,
        /// What is wrong.
        what: &'static str,
    },
}

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// snappy, xerial framing.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd.
    Zstd,
    /// A number that no Kafka release uses.
    Unknown(u8),
}

impl Codec {
    /// The attribute bits that stand for it.
    #[must_use]
    pub fn attribute(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
            Codec::Unknown(number) => i16::from(number) & CODEC_MASK,
        }
    }
}

/// All fields of a v2 batch header. Values are the wire's; [`BatchHeader::parse`] has checked that offsets and length
/// make sense, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (or of the hole where it was).
    pub base_offset: i64,
    /// Bytes after this field; see [`BatchHeader::total_len`].
    pub batch_length: i32,
    /// Leader epoch that appended it; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type and the flags of this module.
    pub attributes: i16,
    /// Last offset minus base offset. Survives compaction.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, in ms. The cleaner may put a delete horizon there; the deltas then
    /// count from that.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, in ms; -1 for none.
    pub max_timestamp: i64,
    /// Producer id; -1 for none.
    pub producer_id: i64,
    /// Producer epoch; -1 for none.
    pub producer_epoch: i16,
    /// Sequence of the first record; -1 for none.
    pub base_sequence: i32,
    /// Records present.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may be longer or hold only part of the records.
    ///
    /// # Errors
    /// [`BatchError`] for another message format, too few bytes, or a length or offsets that cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let short = BatchError::Short { have: bytes.len() };
        let magic = i8::from_be_bytes(field(bytes, MAGIC_AT).ok_or(short.clone())?);
        let offset = i64::from_be_bytes(field(bytes, 0).ok_or(short.clone())?);
        if magic != 2 {
            return Err(BatchError::Magic { offset, magic });
        }
        let header = Self::fields(bytes).ok_or(short)?;
        let minimum = HEADER_LEN - LENGTH_OVERHEAD;
        if usize::try_from(header.batch_length).map_or(true, |length| length < minimum) {
            return Err(BatchError::Length { offset, length: header.batch_length });
        }
        let delta = header.last_offset_delta;
        let fits = delta >= 0 && offset >= 0 && offset < i64::MAX - i64::from(delta);
        if !fits {
            return Err(BatchError::Offsets { offset, last_offset_delta: delta });
        }
        Ok(header)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        Some(BatchHeader {
            base_offset: i64::from_be_bytes(field(bytes, 0)?),
            batch_length: i32::from_be_bytes(field(bytes, 8)?),
            partition_leader_epoch: i32::from_be_bytes(field(bytes, 12)?),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)?),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)?),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)?),
            producer_id: i64::from_be_bytes(field(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)?),
            base_sequence: i32::from_be_bytes(field(bytes, 53)?),
            record_count: i32::from_be_bytes(field(bytes, 57)?),
        })
    }

    /// The 61 bytes that this header is on the wire, `crc` as it stands.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let fields: [&[u8]; 13] = [
            &self.base_offset.to_be_bytes(),
            &self.batch_length.to_be_bytes(),
            &self.partition_leader_epoch.to_be_bytes(),
            &[2],
            &self.crc.to_be_bytes(),
            &self.attributes.to_be_bytes(),
            &self.last_offset_delta.to_be_bytes(),
            &self.base_timestamp.to_be_bytes(),
            &self.max_timestamp.to_be_bytes(),
            &self.producer_id.to_be_bytes(),
            &self.producer_epoch.to_be_bytes(),
            &self.base_sequence.to_be_bytes(),
            &self.record_count.to_be_bytes(),
        ];
        for (slot, byte) in out.iter_mut().zip(fields.iter().copied().flatten()) {
            *slot = *byte;
        }
        out
    }

    /// Offset of the last record (or of the hole where it was).
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Offset after the batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Bytes of the whole batch, header included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0) + LENGTH_OVERHEAD
    }

    /// Whether it holds markers, not data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether it belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the broker set the timestamps: clients then see `max_timestamp` on every record.
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether `base_timestamp` is the cleaner's delete horizon. The records' deltas count from it all the same
    /// (`MemoryRecordsBuilder` of Kafka takes the horizon as base timestamp from the start).
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// The codec of the records.
    #[must_use]
    pub fn codec(&self) -> Codec {
        match self.attributes & CODEC_MASK {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            other => Codec::Unknown(u8::try_from(other).unwrap_or(u8::MAX)),
        }
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// One whole batch: its header, and its bytes as a slice of the frame that it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBatch {
    /// The header, parsed.
    pub header: BatchHeader,
    /// Header and records; `header.total_len()` bytes.
    pub bytes: Bytes,
}

impl RawBatch {
    /// Takes the batch that begins `bytes`; what follows it is left out.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`], and [`BatchError::Short`] when not all of the batch is there.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        if header.total_len() > bytes.len() {
            return Err(BatchError::Short { have: bytes.len() });
        }
        Ok(RawBatch { header, bytes: bytes.slice(..header.total_len()) })
    }

    /// The records, compressed as the codec says. No copy.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_LEN.min(self.bytes.len())..)
    }

    /// Whether the CRC of the header is that of the bytes.
    #[must_use]
    pub fn crc_matches(&self) -> bool {
        self.bytes.get(ATTRIBUTES_AT..).is_some_and(|covered| crc32c::crc32c(covered) == self.header.crc)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A batch with the payload given and a right CRC.
    pub(crate) fn batch(mut header: BatchHeader, payload: &[u8]) -> RawBatch {
        header.batch_length = i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload.len()).unwrap();
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(payload);
        header.crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&header.crc.to_be_bytes());
        RawBatch { header, bytes: bytes.into() }
    }

    /// `count` uncompressed records with key `k` and a value, at offset deltas from 0, their timestamps the header's base.
    pub(crate) fn records(count: i32) -> Vec<u8> {
        let mut payload = Vec::new();
        for delta in 0..count {
            // Key and value of one byte each, no headers; lengths zigzag.
            let tail = [2, b'k', 2, b'v', 0];
            super::super::record_writer::put_record(&mut payload, 0, 0, i64::from(delta), &tail);
        }
        payload
    }

    /// Appends one record with attributes 0; `tail` is key, value and headers as on the wire.
    pub(crate) fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i64, tail: &[u8]) {
        super::super::record_writer::put_record(out, 0, timestamp_delta, offset_delta, tail);
    }

    /// A header of `count` records from `base_offset`, as an idempotent producer would write it.
    pub(crate) fn header(base_offset: i64, count: i32) -> BatchHeader {
        BatchHeader {
            base_offset,
            batch_length: 49,
            partition_leader_epoch: 7,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_123,
            producer_id: 4711,
            producer_epoch: 3,
            base_sequence: 99,
            record_count: count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{batch, header};
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() {
        let mut given = header(41, 3);
        given.attributes = TRANSACTIONAL | CONTROL | DELETE_HORIZON | 4;
        let parsed = BatchHeader::parse(&given.to_bytes()).unwrap();
        assert_eq!(parsed, given);
        assert_eq!((parsed.last_offset(), parsed.next_offset(), parsed.total_len()), (43, 44, 61));
        assert!(parsed.is_transactional() && parsed.is_control() && parsed.has_delete_horizon());
        assert!(!parsed.is_log_append_time());
        assert_eq!(parsed.codec(), Codec::Zstd);
    }

    #[test]
    fn impossible_headers_are_refused() {
        let good = header(0, 1);
        let refuse = |header: BatchHeader| BatchHeader::parse(&header.to_bytes()).unwrap_err();
        for length in [i32::MIN, -1, 0, 48] {
            assert_eq!(
                refuse(BatchHeader { batch_length: length, ..good }),
                BatchError::Length { offset: 0, length }
            );
        }
        for (base_offset, last_offset_delta) in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MAX - 5, 5)] {
            let error = refuse(BatchHeader { base_offset, last_offset_delta, ..good });
            assert_eq!(error, BatchError::Offsets { offset: base_offset, last_offset_delta });
        }
        let mut old = good.to_bytes();
        old[MAGIC_AT] = 1;
        assert_eq!(BatchHeader::parse(&old), Err(BatchError::Magic { offset: 0, magic: 1 }));
        for have in 0..HEADER_LEN {
            assert_eq!(BatchHeader::parse(&good.to_bytes()[..have]), Err(BatchError::Short { have }));
        }
    }

    #[test]
    fn a_batch_is_a_slice_of_its_frame() {
        let one = batch(header(5, 2), b"payload");
        let mut frame = one.bytes.to_vec();
        frame.extend_from_slice(b"next");
        let frame = Bytes::from(frame);
        let raw = RawBatch::parse(&frame).unwrap();
        assert_eq!(raw.bytes.as_ptr(), frame.as_ptr());
        assert_eq!(&raw.payload()[..], b"payload");
        assert!(raw.crc_matches());
        assert_eq!(
            RawBatch::parse(&frame.slice(..one.bytes.len() - 1)),
            Err(BatchError::Short { have: one.bytes.len() - 1 })
        );
    }
}
