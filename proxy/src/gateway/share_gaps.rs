//! Filler that a share consumer of this connection acquired and never saw: the gateway acknowledges it with the
//! consumer's next ShareFetch, as gaps.
//!
//! Otherwise a share group would stall at a run of filler: consumers acknowledge gaps only together with records. What
//! is not acknowledged in time is released by the broker when its lock ends, and acquired anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::wire::share_fetch_request::Gaps;

/// Ranges remembered at most for one connection; brokers lock far fewer batches for a consumer.
const MAX_RANGES: usize = 10_000;

/// The gaps of one connection. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct ShareGaps(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    gaps: Gaps,
    ranges: usize,
    /// When the oldest of them might no longer be locked.
    until: Option<Instant>,
}

impl ShareGaps {
    /// Remembers gaps that are locked for `lock` from now on.
    pub(super) fn note(&self, more: Gaps, lock: Duration) {
        let mut pending = self.pending();
        for (partition, ranges) in more {
            if pending.ranges + ranges.len() > MAX_RANGES {
                return;
            }
            pending.ranges += ranges.len();
            pending.gaps.entry(partition).or_default().extend(ranges);
        }
        if pending.ranges > 0 && pending.until.is_none() {
            // The request that carries them takes time, too.
            pending.until = Instant::now().checked_add(lock / 2);
        }
    }

    /// Takes what a request that leaves now may acknowledge. A lock that has ended would fail the consumer's own
    /// acknowledgements along with ours, so what is old is forgotten.
    pub(super) fn take(&self) -> Gaps {
        let taken = std::mem::take(&mut *self.pending());
        if taken.until.is_some_and(|until| Instant::now() < until) { taken.gaps } else { Gaps::new() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    }
}
