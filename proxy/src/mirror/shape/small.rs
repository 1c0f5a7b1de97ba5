//! Small batches that follow one another, held back to travel as one.
//!
//! A Produce request carries one batch per partition, so a log of tiny batches would cost a request each. Only what one
//! fetch brought is joined: nothing waits for more.

use bytes::Bytes;

use crate::wire::batch::{BatchHeader, Codec, RawBatch};
use crate::wire::coalesce::coalesce;
use crate::wire::densify::DensifyError;
use crate::wire::rehead::WriterIds;

/// Batches from this size on travel alone. Destination brokers spend the least on batches of some hundred KiB; joining costs us a
/// copy, which is less than they save (docs/performance.md).
const SMALL: usize = 128 * 1024;
/// The same for compressed ones, which have to be decompressed and compressed again.
const SMALL_COMPRESSED: usize = 2 * 1024;
/// Bytes of all batches joined, as they are in the source: half of what topics take by default.
pub const JOINED_BYTES: usize = 512 * 1024;
/// Records joined.
const JOINED_RECORDS: i64 = 20_000;
/// Decompressed bytes of what is joined; a batch that claims more is an error.
const JOINED_LIMIT: usize = 32 * 1024 * 1024;

/// Batches without a gap between them and of one codec, in offset order.
#[derive(Debug)]
pub(super) struct SmallBatches {
    limit: usize,
    held: Vec<RawBatch>,
    bytes: usize,
    records: i64,
}

impl SmallBatches {
    /// Joins no more than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        SmallBatches { limit, held: Vec::new(), bytes: 0, records: 0 }
    }

    /// Whether `batch`, which is next, fits behind those held. What does not must wait until they are taken.
    pub(super) fn takes(&self, batch: &RawBatch) -> bool {
        let Some(last) = self.held.last() else { return true };
        is_small(&batch.header)
            && last.header.codec() == batch.header.codec()
            && self.bytes + batch.bytes.len() <= self.limit
            && self.records + i64::from(batch.header.record_count) <= JOINED_RECORDS
    }

    /// Holds `batch` back when it is small. False when it has to travel at once.
    pub(super) fn add(&mut self, batch: &RawBatch) -> bool {
        if !is_small(&batch.header) {
            return false;
        }
        self.bytes += batch.bytes.len();
        self.records += i64::from(batch.header.record_count);
        self.held.push(batch.clone());
        true
    }

    /// All that are held.
    pub(super) fn take(&mut self) -> Vec<RawBatch> {
        (self.bytes, self.records) = (0, 0);
        std::mem::take(&mut self.held)
    }
}

pub(super) fn is_small(header: &BatchHeader) -> bool {
    let limit = match header.codec() {
        Codec::None => SMALL,
        // Left to the broker to refuse.
        Codec::Unknown(_) => 0,
        _ => SMALL_COMPRESSED,
    };
    header.total_len() < limit
}

/// One batch of all records of `batches`.
pub(super) fn joined(batches: &[RawBatch], ids: WriterIds) -> Result<Bytes, DensifyError> {
    coalesce(batches, ids, JOINED_LIMIT)
}
