//! How the journal fares, for health checks: told by the writer, asked by others, without waiting for the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the writer is at.
#[derive(Debug, Default)]
pub(crate) struct Condition(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// A write has been under way since then.
    since: Option<Instant>,
    /// Why no change is taken.
    failed: Option<String>,
}

impl Condition {
    /// A write to the disk begins.
    pub(crate) fn begins(&self) {
        self.known().since = Some(Instant::now());
    }

    /// It is over, well or not.
    pub(crate) fn ends(&self) {
        self.known().since = None;
    }

    /// No change is taken until further notice.
    pub(crate) fn failed(&self, why: String) {
        self.known().failed = Some(why);
    }

    /// Changes are taken again.
    pub(crate) fn works(&self) {
        self.known().failed = None;
    }

    /// What is wrong, in one sentence, when a write takes longer than `patience` or none is taken.
    pub(crate) fn trouble(&self, patience: Duration) -> Option<String> {
        let known = self.known();
        if let Some(why) = &known.failed {
            return Some(format!("the journal takes no changes: {why}"));
        }
        let stuck = known.since.map(|since| since.elapsed()).filter(|time| *time >= patience)?;
        Some(format!("the disk of the journal has not finished a write for {} s", stuck.as_secs()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_hangs_and_one_that_failed_are_told_until_they_are_over() {
        let condition = Condition::default();
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
