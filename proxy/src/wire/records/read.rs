//! Reads the records of a whole batch: what the rewriting of batches has in common.

use crate::wire::records::batch::{BatchHeader, Codec, RawBatch};
use crate::wire::records::compression::{CompressionError, decompress};
use crate::wire::records::filler::is_magic;
use crate::wire::records::record::{RecordError, RecordView, records};
use crate::wire::records::rewrite_header::CrcMismatch;
use bytes::Bytes;

/// An error while reading or re-encoding a batch.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The bytes do not match the CRC.
    #[error(transparent)]
    Damaged(#[from] CrcMismatch),
    /// The codec fails, or the batch is too large.
    #[error("batch at offset {offset}: {source}")]
    Compression {
        /// Its base offset.
        offset: i64,
        /// The error.
        source: CompressionError,
    },
    /// The records do not match the batch header.
    #[error("batch at offset {offset}: {source}")]
    Records {
        /// Its base offset.
        offset: i64,
        /// The error.
        source: RecordError,
    },
    /// A record has an invalid offset: not after the record before it, or outside the batch.
    #[error(
        "batch at offset {offset}: the record with offset delta {delta} is out of order; allowed are {next} \
         to {last}"
    )]
    OutOfPlace {
        /// Its base offset.
        offset: i64,
        /// The record's offset delta.
        delta: i64,
        /// Smallest allowed offset delta.
        next: i64,
        /// Largest allowed offset delta.
        last: i64,
    },
    /// The batch is a control batch, which has no records for clients.
    #[error("batch at offset {offset} is a control batch")]
    Control {
        /// Its base offset.
        offset: i64,
    },
    /// The requested offset is not in the batch.
    #[error("offset {from} is not in the batch from {base_offset} to {last_offset}")]
    Outside {
        /// Requested offset.
        from: i64,
        /// First offset of the batch.
        base_offset: i64,
        /// Last offset of the batch.
        last_offset: i64,
    },
    /// The batch has more long holes than a log cleaner leaves.
    #[error(
        "batch at offset {offset} spans {span} offsets and has too many long holes: it would be split into \
         more than {limit} batches"
    )]
    TooSparse {
        /// Its base offset.
        offset: i64,
        /// Number of offsets in the batch.
        span: i64,
        /// Maximum number of pieces.
        limit: usize,
    },
    /// The batch cannot be part of a run of consecutive dense batches of one codec.
    #[error("batch at offset {offset} is not part of a run of dense batches: {what}")]
    NoRun {
        /// Its base offset.
        offset: i64,
        /// Description of the fault.
        what: &'static str,
    },
}

/// Returns the decompressed records of a batch. Does not copy them if they are not compressed.
pub(crate) fn decompressed(batch: &RawBatch, limit: usize) -> Result<Bytes, RecordsError> {
    let payload = batch.payload();
    match batch.header.codec() {
        Codec::None if payload.len() <= limit => Ok(payload),
        codec => decompress(codec, &payload, limit)
            .map_err(|source| RecordsError::Compression { offset: batch.header.base_offset, source }),
    }
}

/// Returns all records and checks their offsets.
pub(crate) fn placed<'a>(header: &'a BatchHeader, payload: &'a [u8]) -> impl Iterator<Item = Placed<'a>> {
    let (offset, last) = (header.base_offset, i64::from(header.last_offset_delta));
    let mut next = 0;
    records(payload, header.record_count).map(move |record| {
        let record = record.map_err(|source| RecordsError::Records { offset, source })?;
        let delta = record.offset_delta;
        if delta < next || delta > last {
            return Err(RecordsError::OutOfPlace { offset, delta, next, last });
        }
        next = delta + 1;
        Ok(record)
    })
}

/// Returns the timestamp of a record that clients see.
pub(crate) fn timestamp_of(header: &BatchHeader, record: &RecordView<'_>) -> i64 {
    match header.is_log_append_time() {
        true => header.max_timestamp,
        false => header.base_timestamp.wrapping_add(record.timestamp_delta),
    }
}

/// Returns a base timestamp for records of which the first has `timestamp`: that timestamp, unless it is
/// magic.
pub(crate) fn plain_base(timestamp: i64) -> i64 {
    if is_magic(timestamp) { timestamp + 1 } else { timestamp }
}

/// A record with a checked offset, or an error.
pub(crate) type Placed<'a> = Result<RecordView<'a>, RecordsError>;
