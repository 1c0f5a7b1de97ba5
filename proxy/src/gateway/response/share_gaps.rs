//! Remembers filler that a share consumer of this connection acquired and never saw. The gateway acknowledges
//! it as gaps with the consumer's next ShareFetch.
//!
//! Otherwise a share group would stall at a run of filler: consumers acknowledge gaps only together with
//! records. If gaps are not acknowledged in time, the broker releases them when their lock ends, and they are
//! acquired again.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::wire::messages::share_fetch_request::Gaps;

/// Maximum number of ranges remembered for one connection. Brokers lock far fewer batches for a consumer.
const MAX_RANGES: usize = 10_000;

/// Gaps of one connection. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShareGaps(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    gaps: Gaps,
    ranges: usize,
    /// Time from which on the oldest of them may no longer be locked.
    until: Option<Instant>,
}

impl ShareGaps {
    /// Remembers gaps that are locked for `lock` from now on.
    pub(crate) fn note(&self, more: Gaps, lock: Duration) {
        let mut pending = self.pending();
        for (partition, ranges) in more {
            if pending.ranges + ranges.len() > MAX_RANGES {
                // What was noted already still counts.
                break;
            }
            pending.ranges += ranges.len();
            pending.gaps.entry(partition).or_default().extend(ranges);
        }
        if pending.ranges > 0 && pending.until.is_none() {
            // Half of the lock is left for the request that carries the gaps.
            pending.until = Instant::now().checked_add(lock / 2);
        }
    }

    /// Takes the gaps that a request sent now may acknowledge. Forgets old ones: after the end of a lock, the
    /// acknowledgement would make the consumer's own fail too.
    pub(crate) fn take(&self) -> Gaps {
        let taken = std::mem::take(&mut *self.pending());
        if taken.until.is_some_and(|until| Instant::now() < until) { taken.gaps } else { Gaps::new() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(index: i32, range: std::ops::RangeInclusive<i64>) -> Gaps {
        [(([1; 16], index), vec![range])].into()
    }

    #[test]
    fn gaps_are_given_once_and_only_while_they_are_locked() {
        let gaps = ShareGaps::default();
        gaps.note(gap(0, 0..=9), Duration::from_secs(600));
        gaps.note(gap(0, 20..=29), Duration::from_secs(600));
        assert_eq!(gaps.take()[&([1; 16], 0)], [0..=9, 20..=29]);
        assert!(gaps.take().is_empty());
        gaps.note(gap(0, 0..=9), Duration::ZERO);
        assert!(gaps.take().is_empty());
        assert!(gaps.take().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let gaps = ShareGaps::default();
        for index in 0..2 * MAX_RANGES as i32 {
            gaps.note(gap(index, 0..=0), Duration::from_secs(600));
        }
        assert_eq!(gaps.take().len(), MAX_RANGES);
        let many: Gaps = (0..2 * MAX_RANGES as i32).flat_map(|index| gap(index, 0..=0)).collect();
        gaps.note(many, Duration::from_secs(600));
        assert_eq!(gaps.take().len(), MAX_RANGES, "what fits of one answer is kept");
    }
}
