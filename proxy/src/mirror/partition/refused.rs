//! Batches that the destination refused for what they are, and what the topic's owner can do about it.

use std::time::Duration;

use super::{Failure, Partition};
use crate::mirror::shape::JOINED_BYTES;

/// Pause after a refusal that a change of configs may heal.
const PAUSE: Duration = Duration::from_millis(500);

/// Refusals that have not been looked at yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    too_large: Option<usize>,
    records: Option<RecordsRefused>,
    drop_unkeyed: bool,
    /// Most bytes to join; the usual when not set.
    join_bytes: Option<usize>,
    /// Refused for its records this often since the last append.
    in_a_row: u32,
}

impl Refusals {
    /// An append went through.
    pub(super) fn settled(&mut self) {
        self.in_a_row = 0;
    }
}

/// The destination does not take the records of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsRefused {
    /// What to give up with, when nothing can be done.
    pub failure: Failure,
    /// How often in a row.
    pub times: u32,
    /// Records without a key are left out already.
    pub unkeyed_dropped: bool,
}

impl Partition {
    /// The destination's `max.message.bytes` does not let a batch of this size in: it must be raised.
    pub fn too_large(&self, bytes: usize) {
        self.state().refusals.too_large = Some(bytes);
        self.attention.notify_one();
    }

    /// The destination's `max.message.bytes` does not let in what was joined to this size. The source took no such batch, so it is
    /// for us to send smaller ones: half as large from now on.
    pub fn joined_too_large(&self, bytes: usize) {
        self.state().refusals.join_bytes = Some(bytes / 2);
    }

    /// Most bytes of small batches to join.
    #[must_use]
    pub fn join_bytes(&self) -> usize {
        self.state().refusals.join_bytes.unwrap_or(JOINED_BYTES)
    }

    /// The size that [`Partition::too_large`] told of, once.
    pub fn take_too_large(&self) -> Option<usize> {
        self.state().refusals.too_large.take()
    }

    /// The destination refused the records of a batch sent in `attempt`. The register is read again after a pause.
    pub fn records_refused(&self, attempt: u64, failure: Failure) {
        if self.attempt() != attempt {
            return;
        }
        self.reset(&failure.reason, Some(PAUSE));
        let refusals = &mut self.state().refusals;
        refusals.in_a_row += 1;
        let (times, unkeyed_dropped) = (refusals.in_a_row, refusals.drop_unkeyed);
        refusals.records = Some(RecordsRefused { failure, times, unkeyed_dropped });
    }

    /// What [`Partition::records_refused`] told of, once.
    pub fn take_records_refused(&self) -> Option<RecordsRefused> {
        self.state().refusals.records.take()
    }

    /// From now on records without a key are left out.
    pub fn drop_unkeyed(&self) {
        self.state().refusals.drop_unkeyed = true;
    }

    /// Whether records without a key are left out.
    #[must_use]
    pub fn drops_unkeyed(&self) -> bool {
        self.state().refusals.drop_unkeyed
    }
}
