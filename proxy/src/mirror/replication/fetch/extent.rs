//! What the records of an answer cover, from the headers of their batches.

use crate::wire::records::batch::BatchHeader;

/// First offset, last offset + 1 and size of the whole batches of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: i64,
    pub(crate) end: i64,
    pub(crate) bytes: usize,
    /// Leader epoch of the last batch; -1 if the source did not say.
    pub(crate) last_epoch: i32,
}

impl Extent {
    /// Returns the extent of these records; `None` if there is no whole batch.
    pub(crate) fn of(records: &[u8]) -> Option<Extent> {
        let mut extent: Option<Extent> = None;
        for header in headers(records) {
            let known =
                extent.get_or_insert(Extent { first: header.base_offset, end: 0, bytes: 0, last_epoch: -1 });
            known.end = header.next_offset();
            known.bytes += header.total_len();
            known.last_epoch = header.partition_leader_epoch;
        }
        extent.filter(|extent| extent.end > extent.first)
    }

    /// Returns the bytes for each offset, more than 0.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn density(&self) -> f64 {
        (self.bytes as f64 / (self.end - self.first) as f64).max(f64::MIN_POSITIVE)
    }

    /// Returns the estimated size of `offsets` offsets, in bytes.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(crate) fn bytes_of(&self, offsets: i64) -> usize {
        (self.density() * offsets.max(0) as f64) as usize
    }

    /// Returns the estimated number of offsets in this share of `bytes` bytes, at least 1.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate")]
    pub(crate) fn offsets_in(&self, bytes: usize, share: f64) -> i64 {
        ((bytes as f64 * share / self.density()) as i64).max(1)
    }
}

/// Returns the headers of the whole batches, up to the first that cannot be read.
pub(crate) fn headers(records: &[u8]) -> impl Iterator<Item = BatchHeader> + '_ {
    let mut rest = records;
    std::iter::from_fn(move || {
        let header = BatchHeader::parse(rest).ok()?;
        rest = rest.get(header.total_len()..)?;
        Some(header)
    })
}
