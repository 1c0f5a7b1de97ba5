//! Reads the 61-byte header of a v2 record batch, and nothing of the records behind it.
//!
//! Layout: Kafka's `DefaultRecordBatch`. The CRC-32C covers everything from the attributes on. This module
//! does not verify it: [`crate::wire::records::rewrite_header`] does, and the destination broker does.

use bytes::Bytes;

/// Length of a v2 batch header, in bytes. The (possibly compressed) records begin at this position.
pub const HEADER_LEN: usize = 61;
/// Bytes up to and including the `batchLength` field. That field counts only the bytes after itself.
pub const LENGTH_OVERHEAD: usize = 12;
/// Position of the CRC field.
pub(crate) const CRC_AT: usize = 17;
/// Position of the attributes field: the CRC covers all bytes from here on.
pub(crate) const ATTRIBUTES_AT: usize = 21;
const MAGIC_AT: usize = 16;

/// Attribute bits that hold the codec.
const CODEC_MASK: i16 = 0x07;
/// Attribute bit: timestamps were set by the broker (LogAppendTime).
pub const LOG_APPEND_TIME: i16 = 0x08;
/// Attribute bit: part of a transaction.
pub const TRANSACTIONAL: i16 = 0x10;
/// Attribute bit: control batch (markers).
pub const CONTROL: i16 = 0x20;
/// Attribute bit: `baseTimestamp` is the cleaner's delete horizon.
pub const DELETE_HORIZON: i16 = 0x40;

/// An error in bytes that should be a v2 batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A message of format v0 or v1, or of a later format than v2.
    #[error("batch at offset {offset} has message format v{magic}; only v2 is mirrored")]
    Magic {
        /// Its base offset.
        offset: i64,
        /// The magic byte.
        magic: i8,
    },
    /// Fewer bytes than a header has, or than the header announces.
    #[error("batch is truncated: only {have} bytes are there")]
    Short {
        /// Number of bytes that are there.
        have: usize,
    },
    /// A `batchLength` that is smaller than a header.
    #[error("batch at offset {offset} has the invalid length {length}")]
    Length {
        /// Its base offset.
        offset: i64,
        /// The `batchLength` field.
        length: i32,
    },
    /// Invalid offsets: negative, or too large for 63 bits.
    #[error("batch at offset {offset} has the invalid last offset delta {last_offset_delta}")]
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
        /// Description of the fault.
        what: &'static str,
    },
}

/// Compression codec of the records of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// No compression.
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
    /// Returns the attribute bits of this codec.
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

/// All fields of a v2 batch header, with the values of the wire. [`BatchHeader::parse`] checks only the
/// length and the offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (or of the hole where it was).
    pub base_offset: i64,
    /// Number of bytes after this field; see [`BatchHeader::total_len`] for the whole batch.
    pub batch_length: i32,
    /// Leader epoch in which the batch was appended; -1 in a batch from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type and flags; see the constants of this module.
    pub attributes: i16,
    /// Last offset minus base offset. Log compaction does not change it.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, in ms. The log cleaner may put a delete horizon here;
    /// the deltas then count from that.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, in ms; -1 for none.
    pub max_timestamp: i64,
    /// Producer id; -1 for none.
    pub producer_id: i64,
    /// Producer epoch; -1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 for none.
    pub base_sequence: i32,
    /// Number of records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. `bytes` may hold more than the batch, or only a part of its
    /// records.
    ///
    /// # Errors
    /// Fails if the message format is not v2, if `bytes` is shorter than a header, or if the length or the
    /// offsets are invalid.
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

    /// Returns the 61 bytes of this header. Writes `crc` as it is.
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

    /// Returns the offset of the last record (or of the hole where it was).
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Returns the offset after the batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Returns the size of the whole batch in bytes, header included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0) + LENGTH_OVERHEAD
    }

    /// Returns true if the batch is a control batch: it holds markers, not data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Returns true if the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Returns true if the broker set the timestamps. Clients then see `max_timestamp` on every record.
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Returns true if `base_timestamp` is the delete horizon of the log cleaner. The records' deltas count
    /// from it also then (`MemoryRecordsBuilder` of Kafka takes the horizon as base timestamp from the
    /// start).
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Returns the codec of the records.
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

/// One whole batch: its header, and its bytes as a slice of the frame that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBatch {
    /// The header, parsed.
    pub header: BatchHeader,
    /// Header and records; `header.total_len()` bytes.
    pub bytes: Bytes,
}

impl RawBatch {
    /// Takes the batch at the start of `bytes` and ignores the bytes after it.
    ///
    /// # Errors
    /// Fails like [`BatchHeader::parse`], and with [`BatchError::Short`] if `bytes` does not hold the whole
    /// batch.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        if header.total_len() > bytes.len() {
            return Err(BatchError::Short { have: bytes.len() });
        }
        Ok(RawBatch { header, bytes: bytes.slice(..header.total_len()) })
    }

    /// Returns the records, still compressed. Does not copy them.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_LEN.min(self.bytes.len())..)
    }

    /// Returns true if the CRC in the header matches the bytes.
    #[must_use]
    pub fn crc_matches(&self) -> bool {
        self.bytes.get(ATTRIBUTES_AT..).is_some_and(|covered| crc32c::crc32c(covered) == self.header.crc)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Builds a batch with this payload and a correct CRC.
    pub(crate) fn batch(mut header: BatchHeader, payload: &[u8]) -> RawBatch {
        header.batch_length = i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload.len()).unwrap();
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(payload);
        header.crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&header.crc.to_be_bytes());
        RawBatch { header, bytes: bytes.into() }
    }

    /// Returns `count` uncompressed records with key `k` and value `v`, at offset deltas from 0. Their
    /// timestamp is the base timestamp of the header.
    pub(crate) fn records(count: i32) -> Vec<u8> {
        let mut payload = Vec::new();
        for delta in 0..count {
            // Key and value of one byte each, no headers. Lengths are zigzag varints.
            let tail = [2, b'k', 2, b'v', 0];
            crate::wire::records::record_writer::put_record(&mut payload, 0, 0, i64::from(delta), &tail);
        }
        payload
    }

    /// Appends one record with attributes 0; `tail` is key, value and headers as on the wire.
    pub(crate) fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i64, tail: &[u8]) {
        crate::wire::records::record_writer::put_record(out, 0, timestamp_delta, offset_delta, tail);
    }

    /// Returns a header for `count` records from `base_offset` on, as an idempotent producer writes it.
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
mod tests;
