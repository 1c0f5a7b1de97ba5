//! What holds stops up, for whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::now_ms;

/// Why a promote or failover has not come through yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopWait {
    /// For people: what is waited for, by name, and what can be done about it.
    pub reason: String,
    /// Since when the stop has been held up, in milliseconds since the epoch.
    pub since_ms: i64,
}

/// What holds up the stops of mirror topics, by topic. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StopWaits(Arc<Mutex<HashMap<String, StopWait>>>);

impl StopWaits {
    /// What holds a stop up; `None` when nothing does.
    #[must_use]
    pub fn of(&self, topic: &str) -> Option<StopWait> {
        self.waits().get(topic).cloned()
    }

    /// A stop is held up. When it was before, it has been since then.
    pub fn set(&self, topic: &str, reason: &str) {
        self.set_since(topic, reason, now_ms());
    }

    /// The same for one that has been held up since `since_ms`.
    pub fn set_since(&self, topic: &str, reason: &str, since_ms: i64) {
        let mut waits = self.waits();
        let wait =
            waits.entry(topic.to_owned()).or_insert_with(|| StopWait { reason: String::new(), since_ms });
        reason.clone_into(&mut wait.reason);
    }

    /// Nothing holds it up any more.
    pub fn clear(&self, topic: &str) {
        let _ = self.waits().remove(topic);
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<String, StopWait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
