//! Excludes a partition from fetches while its last answer is still being shaped beside the fetcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::mirror::replication::partition::Partition;

#[derive(Debug, Default)]
pub(crate) struct ShapingFlag(AtomicBool);

impl ShapingFlag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Guard that excludes a partition from fetches until it is dropped.
#[derive(Debug)]
pub(crate) struct Shaping(Arc<Partition>);

impl Drop for Shaping {
    fn drop(&mut self) {
        self.0.shaping.0.store(false, Relaxed);
    }
}

impl Partition {
    /// Excludes the partition from fetches until the returned guard is dropped.
    #[must_use]
    pub(crate) fn shaping(self: &Arc<Self>) -> Shaping {
        self.shaping.0.store(true, Relaxed);
        Shaping(Arc::clone(self))
    }
}
