//! Batches that the destination refused for what they are, and what the topic's owner can do about it.

use std::time::Duration;

use state::model::MirrorError;
use tokio::time::Instant;

use super::{Failure, Partition};
use crate::mirror::shape::JOINED_BYTES;
use crate::wire::error_code::ErrorCode;

/// The link config that bounds how long errors of the source are borne.
const RETRY_TIMEOUT: &str = "cluster.link.retry.timeout.ms";

/// Pause after a refusal that a change of configs may heal.
const PAUSE: Duration = Duration::from_millis(500);

/// Refusals that have not been looked at yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    too_large: Option<usize>,
    records: Option<RecordsRefused>,
    /// Records without a key that lie below are left out.
    unkeyed_below: i64,
    /// Most bytes to join; the usual when not set.
    join_bytes: Option<usize>,
    /// The source has answered with errors since then.
    pub(super) source_since: Option<Instant>,
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
    /// The attempt that began with the refusal.
    pub attempt: u64,
    /// How often in a row.
    pub times: u32,
    /// Records without a key are left out already.
    pub unkeyed_dropped: bool,
}

impl Partition {
    /// The source answers for the partition with an error that is not about who leads it. The mirror fails once that has been so for
    /// `patience` (`None`: never).
    pub fn source_refused(&self, attempt: u64, code: ErrorCode, patience: Option<Duration>) {
        let since = *self.state().refusals.source_since.get_or_insert_with(Instant::now);
        if patience.is_some_and(|patience| since.elapsed() >= patience) {
            let reason = format!(
                "the source has answered with {} for {} s; {RETRY_TIMEOUT} allows no more",
                code.name(),
                since.elapsed().as_secs()
            );
            self.fail_attempt(attempt, Failure { error: MirrorError::Unknown, reason });
        }
    }

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

    /// The destination does not take filler for this many offsets in one batch: half as many from now on. False when there is nothing
    /// to halve.
    #[must_use]
    pub fn filler_too_large(&self, offsets: i64) -> bool {
        if offsets < 2 {
            return false;
        }
        self.state().window.filler_offsets = offsets / 2;
        true
    }

    /// The destination refused the records of the batch for `offset`, sent in `attempt`. The register is read again after a pause.
    pub fn records_refused(&self, attempt: u64, offset: i64, failure: Failure) {
        if self.attempt() != attempt {
            return;
        }
        self.reset(&failure.reason, Some(PAUSE));
        let mut state = self.state();
        let attempt = state.window.attempt;
        let refusals = &mut state.refusals;
        refusals.in_a_row += 1;
        let (times, unkeyed_dropped) = (refusals.in_a_row, offset < refusals.unkeyed_below);
        refusals.records = Some(RecordsRefused { failure, attempt, times, unkeyed_dropped });
    }

    /// What [`Partition::records_refused`] told of, once.
    pub fn take_records_refused(&self) -> Option<RecordsRefused> {
        self.state().refusals.records.take()
    }

    /// From now on records without a key that lie below `offset` are left out. What was fetched before is fetched anew.
    pub fn drop_unkeyed_below(&self, offset: i64) {
        self.state().refusals.unkeyed_below = offset;
        self.reset("records without a key are left out from here on", None);
    }

    /// No record is left out any more.
    pub fn keep_unkeyed(&self) {
        self.state().refusals.unkeyed_below = 0;
    }

    /// Records without a key below this offset are left out; 0 when none are.
    #[must_use]
    pub fn drops_unkeyed_below(&self) -> i64 {
        self.state().refusals.unkeyed_below
    }
}
