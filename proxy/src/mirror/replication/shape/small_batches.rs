//! Collects small batches in a row and joins them into one.
//!
//! A Produce request carries one batch per partition, so a log of tiny batches would cost one request each.
//! Only batches of one fetch answer are joined: nothing waits for more.

use bytes::Bytes;

use crate::wire::records::batch::{BatchHeader, Codec, RawBatch};
use crate::wire::records::join::join_batches;
use crate::wire::records::read::RecordsError;
use crate::wire::records::rewrite_header::WriterIds;

/// Size from which on a batch is sent alone, in bytes. Destination brokers spend the least on batches of some
/// hundred KiB. Joining costs Linkgate a copy, which is less than the brokers save (docs/performance.md).
const SMALL: usize = 128 * 1024;
/// Size from which on a compressed batch is sent alone, in bytes. To join it, it must be decompressed and
/// compressed again.
const SMALL_COMPRESSED: usize = 2 * 1024;
/// Maximum size of joined batches, in bytes as they are in the source: half of the default
/// `max.message.bytes`.
pub const JOINED_BYTES: usize = 512 * 1024;
/// Maximum number of records in a joined batch.
const JOINED_RECORDS: i64 = 20_000;
/// Maximum decompressed size of joined batches, in bytes. Batches that claim more are not joined.
const JOINED_LIMIT: usize = 32 * 1024 * 1024;

/// Batches of one codec without gaps between them, in offset order.
#[derive(Debug)]
pub(crate) struct SmallBatches {
    limit: usize,
    held: Vec<RawBatch>,
    bytes: usize,
    records: i64,
}

impl SmallBatches {
    /// Creates an empty collection that joins at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        SmallBatches { limit, held: Vec::new(), bytes: 0, records: 0 }
    }

    /// Returns true if `batch`, which is next, fits behind those held. If not, those held must be taken
    /// first.
    pub(crate) fn takes(&self, batch: &RawBatch) -> bool {
        let Some(last) = self.held.last() else { return true };
        is_small(&batch.header)
            && last.header.codec() == batch.header.codec()
            && self.bytes + batch.bytes.len() <= self.limit
            && self.records + i64::from(batch.header.record_count) <= JOINED_RECORDS
    }

    /// Holds `batch` back if it is small. Returns false if it must be sent alone.
    pub(crate) fn add(&mut self, batch: &RawBatch) -> bool {
        if !is_small(&batch.header) {
            return false;
        }
        self.bytes += batch.bytes.len();
        self.records += i64::from(batch.header.record_count);
        self.held.push(batch.clone());
        true
    }

    /// Takes all batches held.
    pub(crate) fn take(&mut self) -> Vec<RawBatch> {
        (self.bytes, self.records) = (0, 0);
        std::mem::take(&mut self.held)
    }
}

pub(crate) fn is_small(header: &BatchHeader) -> bool {
    let limit = match header.codec() {
        Codec::None => SMALL,
        // Sent alone, so that the broker refuses it.
        Codec::Unknown(_) => 0,
        _ => SMALL_COMPRESSED,
    };
    header.total_len() < limit
}

/// Joins all records of `batches` into one batch.
pub(crate) fn joined(batches: &[RawBatch], ids: WriterIds) -> Result<Bytes, RecordsError> {
    join_batches(batches, ids, JOINED_LIMIT)
}
