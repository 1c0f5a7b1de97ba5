//! Excludes a partition from fetches while the source is asked about its log.

use std::sync::Arc;

use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{Partition, PartitionState};

/// A question to the source: about one attempt, to one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    attempt: Attempt,
    leader: i32,
}

/// Guard that excludes a partition from fetches until it is dropped.
#[derive(Debug)]
pub(crate) struct Asking {
    partition: Arc<Partition>,
    question: Question,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut state = self.partition.state();
        // A later question has a guard of its own.
        if state.asking == Some(self.question) {
            state.asking = None;
        }
    }
}

impl Partition {
    /// Excludes the partition from fetches until the returned guard is dropped, another attempt begins, or another
    /// broker leads on the source. Unlike a partition that has no room ([`Partition::shaping`]), it does not
    /// shorten the fetches of the others. Returns `None` if the question is under way already.
    #[must_use]
    pub(crate) fn asking(self: &Arc<Self>) -> Option<Asking> {
        let mut state = self.state();
        let question = Question { attempt: state.window.attempt, leader: self.source_leader().0 };
        if state.asking.replace(question) == Some(question) {
            return None;
        }
        drop(state);
        Some(Asking { partition: Arc::clone(self), question })
    }

    /// Returns true while an answer of the present leader about this attempt is waited for.
    pub(super) fn is_asking(&self, state: &PartitionState) -> bool {
        state.asking == Some(Question { attempt: state.window.attempt, leader: self.source_leader().0 })
    }
}
