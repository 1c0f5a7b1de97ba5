//! Registry of the topics that this process is creating. Ensures that only one caller creates a topic at a
//! time.

use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// The names of the topics that this process is creating. Clones share one set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Creating(Arc<Mutex<HashSet<String>>>);

impl Creating {
    /// Marks the topic as being created until the guard is dropped. Returns `None` if another caller is
    /// creating it.
    pub(crate) fn begin(&self, topic: &str) -> Option<CreatingGuard> {
        let mut topics = self.0.lock();
        topics.insert(topic.to_owned()).then(|| CreatingGuard { all: self.clone(), topic: topic.to_owned() })
    }
}

pub(crate) struct CreatingGuard {
    all: Creating,
    topic: String,
}

impl Drop for CreatingGuard {
    fn drop(&mut self) {
        let mut topics = self.all.0.lock();
        let _ = topics.remove(&self.topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_created_by_one_caller_at_a_time() {
        let creating = Creating::default();
        let first = creating.begin("t").unwrap();
        assert!(creating.begin("t").is_none());
        assert!(creating.begin("u").is_some());
        drop(first);
        assert!(creating.begin("t").is_some());
    }
}
