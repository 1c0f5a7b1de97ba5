//! Keeps the reasons why stops are held up, for operators.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::now_ms;

/// Reason why a promote or failover has not finished yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopWait {
    /// Text for operators: what the stop waits for, by name, and what can be done about it.
    pub reason: String,
    /// Time since which the stop has been held up, in milliseconds since the epoch.
    pub since_ms: i64,
}

/// Reasons why the stops of mirror topics are held up, by topic. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StopWaits(Arc<Mutex<HashMap<String, StopWait>>>);

impl StopWaits {
    /// Returns what holds up the stop of a topic; `None` if nothing does.
    #[must_use]
    pub fn of(&self, topic: &str) -> Option<StopWait> {
        self.waits().get(topic).cloned()
    }

    /// Records that a stop is held up. Keeps the first time if it was held up before.
    pub fn set(&self, topic: &str, reason: &str) {
        self.set_since(topic, reason, now_ms());
    }

    /// Records that a stop is held up, since `since_ms` if it was not held up before.
    pub fn set_since(&self, topic: &str, reason: &str, since_ms: i64) {
        let mut waits = self.waits();
        let wait =
            waits.entry(topic.to_owned()).or_insert_with(|| StopWait { reason: String::new(), since_ms });
        reason.clone_into(&mut wait.reason);
    }

    /// Records that nothing holds up the stop any more.
    pub fn clear(&self, topic: &str) {
        let _ = self.waits().remove(topic);
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<String, StopWait>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_the_latest_reason_and_the_first_time() {
        let waits = StopWaits::default();
        waits.set("t", "a");
        let first = waits.of("t").unwrap();
        waits.set("t", "b");
        let second = waits.of("t").unwrap();
        assert_eq!((second.reason.as_str(), second.since_ms), ("b", first.since_ms));
        waits.clear("t");
        assert_eq!(waits.of("t"), None);
    }
}
