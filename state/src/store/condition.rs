//! Condition of the journal, for health checks. The writer sets it. Queries do not wait for the disk.

use parking_lot::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Current activity of the writer.
#[derive(Debug, Default)]
pub(crate) struct WriterCondition(Mutex<KnownCondition>);

#[derive(Debug, Default)]
struct KnownCondition {
    /// Time since which a write has been under way.
    since: Option<Instant>,
    /// Reason why no change is accepted.
    failed: Option<String>,
}

impl WriterCondition {
    /// Marks the beginning of a write to the disk.
    pub(crate) fn begins(&self) {
        self.known().since = Some(Instant::now());
    }

    /// Marks the end of the write, successful or not.
    pub(crate) fn ends(&self) {
        self.known().since = None;
    }

    /// Records that no change is accepted until [`WriterCondition::works`].
    pub(crate) fn failed(&self, why: String) {
        self.known().failed = Some(why);
    }

    /// Records that changes are accepted again.
    pub(crate) fn works(&self) {
        self.known().failed = None;
    }

    /// Returns the trouble in one sentence, if a write takes longer than `patience` or no change is accepted.
    pub(crate) fn trouble(&self, patience: Duration) -> Option<String> {
        let known = self.known();
        if let Some(why) = &known.failed {
            return Some(format!("the journal accepts no changes: {why}"));
        }
        let stuck = known.since.map(|since| since.elapsed()).filter(|time| *time >= patience)?;
        Some(format!("the disk of the journal has not finished a write for {} s", stuck.as_secs()))
    }

    fn known(&self) -> MutexGuard<'_, KnownCondition> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanging_and_failed_writes_are_reported_until_they_are_over() {
        let condition = WriterCondition::default();
        assert_eq!(condition.trouble(Duration::ZERO), None);
        condition.begins();
        assert!(condition.trouble(Duration::ZERO).unwrap().contains("has not finished a write"));
        assert_eq!(condition.trouble(Duration::from_secs(60)), None);
        condition.ends();
        assert_eq!(condition.trouble(Duration::ZERO), None);
        condition.failed("disk full".into());
        assert!(condition.trouble(Duration::from_secs(60)).unwrap().contains("disk full"));
        condition.works();
        assert_eq!(condition.trouble(Duration::ZERO), None);
    }
}
