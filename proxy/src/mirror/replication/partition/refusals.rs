//! Refusals: batches that the destination refused for their records or size, errors of the source, and the
//! limits that follow from them.

use std::time::Duration;

use state::model::MirrorError;
use tokio::time::Instant;

use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{Partition, PartitionState};
use crate::mirror::replication::shape::JOINED_BYTES;
use crate::wire::protocol::error_code::ErrorCode;

/// Link config that bounds the time for which errors of the source are tolerated.
const RETRY_TIMEOUT: &str = "cluster.link.retry.timeout.ms";

/// Pause after a refusal that a config change may cure.
const REFUSED_BACKOFF: Duration = Duration::from_millis(500);

/// Refusals that the link runner has not looked at yet, and the limits that follow from earlier ones.
#[derive(Debug, Default)]
pub(crate) struct PartitionRefusals {
    too_large: Option<usize>,
    records: Option<RecordsRefused>,
    /// Records without a key below this offset are left out; 0 if none are.
    unkeyed_below: i64,
    /// Maximum size of joined batches, in bytes; `None` for the default.
    join_bytes: Option<usize>,
    /// Time of the first error of the source since its last good answer.
    pub(crate) source_since: Option<Instant>,
    /// Number of refusals for the records since the last append.
    in_a_row: u32,
}

impl PartitionRefusals {
    /// Ends a row of refusals: an append went through.
    pub(crate) fn settled(&mut self) {
        self.in_a_row = 0;
    }
}

/// A refusal of a batch for its records, by the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordsRefused {
    /// Failure for the partition, if nothing can be done.
    pub failure: PartitionFailure,
    /// Attempt that began with the refusal.
    pub attempt: Attempt,
    /// Number of such refusals in a row.
    pub times: u32,
    /// True if records without a key were left out already.
    pub unkeyed_dropped: bool,
}

impl Partition {
    /// Takes note of an error of the source that is not about the partition leader. Fails the partition once
    /// the source has answered with errors for `patience` (`None`: never).
    pub(crate) fn source_refused(&self, attempt: Attempt, code: ErrorCode, patience: Option<Duration>) {
        let since = *self.state().refusals.source_since.get_or_insert_with(Instant::now);
        if patience.is_some_and(|patience| since.elapsed() >= patience) {
            let reason = format!(
                "the source has answered with {} for {} s, longer than {RETRY_TIMEOUT} allows",
                code.name(),
                since.elapsed().as_secs()
            );
            self.fail(attempt, PartitionFailure { error: MirrorError::Unknown, reason });
        }
    }

    /// Resets the partition with a pause, and asks the link runner to raise the destination's
    /// `max.message.bytes`: it refused a batch of this size, sent in `attempt`.
    pub(crate) fn too_large(&self, attempt: Attempt, bytes: usize, why: &str) {
        self.refused(attempt, why, Some(REFUSED_BACKOFF), |state| state.refusals.too_large = Some(bytes));
    }

    /// Resets the partition and limits joined batches to half of `bytes`: the destination refused a joined
    /// batch of that size, sent in `attempt`. The source has no batch of that size, so `max.message.bytes` need
    /// not be raised.
    pub(crate) fn joined_too_large(&self, attempt: Attempt, bytes: usize, why: &str) {
        self.refused(attempt, why, None, |state| state.refusals.join_bytes = Some(bytes / 2));
    }

    /// Resets the partition and limits filler batches to half of `offsets`: the destination refused a filler
    /// batch for that many offsets, sent in `attempt`.
    pub(crate) fn filler_too_large(&self, attempt: Attempt, offsets: i64, why: &str) {
        self.refused(attempt, why, None, |state| state.window.filler_offsets = (offsets / 2).max(1));
    }

    /// Resets the partition with a pause: the destination refused the records of the batch for `offset`, sent
    /// in `attempt`. Keeps the refusal for the link runner.
    pub(crate) fn records_refused(&self, attempt: Attempt, offset: i64, failure: PartitionFailure) {
        let why = failure.reason.clone();
        self.refused(attempt, &why, Some(REFUSED_BACKOFF), |state| {
            let attempt = state.window.attempt;
            let refusals = &mut state.refusals;
            refusals.in_a_row += 1;
            let (times, unkeyed_dropped) = (refusals.in_a_row, offset < refusals.unkeyed_below);
            refusals.records = Some(RecordsRefused { failure, attempt, times, unkeyed_dropped });
        });
    }

    /// Resets the partition and takes note of a refusal. A refusal of an earlier attempt changes nothing.
    fn refused(
        &self,
        attempt: Attempt,
        why: &str,
        pause: Option<Duration>,
        note: impl FnOnce(&mut PartitionState),
    ) {
        let mut state = self.state();
        if state.window.attempt == attempt {
            self.reset_now(&mut state, why, pause);
            note(&mut state);
        }
    }

    /// Returns the maximum size of joined batches, in bytes.
    #[must_use]
    pub(crate) fn join_bytes(&self) -> usize {
        self.state().refusals.join_bytes.unwrap_or(JOINED_BYTES)
    }

    /// Takes the size that [`Partition::too_large`] recorded; `None` if it was taken already.
    pub(crate) fn take_too_large(&self) -> Option<usize> {
        self.state().refusals.too_large.take()
    }

    /// Takes the refusal that [`Partition::records_refused`] recorded; `None` if it was taken already.
    pub(crate) fn take_records_refused(&self) -> Option<RecordsRefused> {
        self.state().refusals.records.take()
    }

    /// Leaves out records without a key below `offset` from now on. What was fetched before is fetched again.
    pub(crate) fn drop_unkeyed_below(&self, offset: i64) {
        let mut state = self.state();
        state.refusals.unkeyed_below = offset;
        self.reset_now(&mut state, "records without a key are left out from here on", None);
    }

    /// Stops leaving out records.
    pub(crate) fn keep_unkeyed(&self) {
        self.state().refusals.unkeyed_below = 0;
    }

    /// Returns the offset below which records without a key are left out; 0 if none are.
    #[must_use]
    pub(crate) fn drops_unkeyed_below(&self) -> i64 {
        self.state().refusals.unkeyed_below
    }
}
