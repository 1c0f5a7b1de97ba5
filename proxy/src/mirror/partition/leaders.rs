//! Who leads a partition on either side, as metadata last said.

use std::sync::atomic::{AtomicI32, Ordering};

/// Broker ids; -1 when not known.
#[derive(Debug)]
pub(super) struct Leaders {
    source: AtomicI32,
    source_epoch: AtomicI32,
    destination: AtomicI32,
}

impl Default for Leaders {
    fn default() -> Self {
        Leaders {
            source: AtomicI32::new(-1),
            source_epoch: AtomicI32::new(-1),
            destination: AtomicI32::new(-1),
        }
    }
}

impl Leaders {
    /// Leader on the source, and its epoch.
    pub(super) fn source(&self) -> (i32, i32) {
        (self.source.load(Ordering::Relaxed), self.source_epoch.load(Ordering::Relaxed))
    }

    pub(super) fn set_source(&self, leader: i32, epoch: i32) {
        self.source.store(leader, Ordering::Relaxed);
        self.source_epoch.store(epoch, Ordering::Relaxed);
    }

    /// Leader on the destination.
    pub(super) fn destination(&self) -> i32 {
        self.destination.load(Ordering::Relaxed)
    }

    /// Returns the leader before.
    pub(super) fn set_destination(&self, leader: i32) -> i32 {
        self.destination.swap(leader, Ordering::Relaxed)
    }
}
