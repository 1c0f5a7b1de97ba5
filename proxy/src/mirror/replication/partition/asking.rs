//! Excludes a partition from fetches while the source is asked about its log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::mirror::replication::partition::Partition;

#[derive(Debug, Default)]
pub(crate) struct AskingFlag(AtomicBool);

impl AskingFlag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Guard that excludes a partition from fetches until it is dropped.
#[derive(Debug)]
pub(crate) struct Asking(Arc<Partition>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.0.store(false, Relaxed);
    }
}

impl Partition {
    /// Excludes the partition from fetches until the returned guard is dropped. Unlike a partition that has no
    /// room ([`Partition::shaping`]), it does not shorten the fetches of the others.
    #[must_use]
    pub(crate) fn asking(self: &Arc<Self>) -> Asking {
        self.asking.0.store(true, Relaxed);
        Asking(Arc::clone(self))
    }
}
