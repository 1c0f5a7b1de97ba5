//! Who creates which topic right now, in this process: one at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The topics that are being created by this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Creating(Arc<Mutex<HashSet<String>>>);

impl Creating {
    /// Marks the topic until the guard is dropped; `None` when somebody else has it.
    pub(super) fn begin(&self, topic: &str) -> Option<CreatingGuard> {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.to_owned()).then(|| CreatingGuard { all: self.clone(), topic: topic.to_owned() })
    }
}

pub(super) struct CreatingGuard {
    all: Creating,
    topic: String,
}

impl Drop for CreatingGuard {
    fn drop(&mut self) {
        let mut topics = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = topics.remove(&self.topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_created_by_one_at_a_time() {
        let creating = Creating::default();
        let first = creating.begin("t").unwrap();
        assert!(creating.begin("t").is_none());
        assert!(creating.begin("u").is_some());
        drop(first);
        assert!(creating.begin("t").is_some());
    }
}
