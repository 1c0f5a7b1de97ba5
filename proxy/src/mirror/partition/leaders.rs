//! Who leads a partition on either side, as metadata last said, and the way to its destination leader.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// Broker ids; -1 when not known.
#[derive(Debug)]
pub(super) struct Leaders {
    source: AtomicI32,
    source_epoch: AtomicI32,
    destination: AtomicI32,
    lane: AtomicUsize,
}

impl Leaders {
    /// Neither is known; `lane` is the one to begin with.
    pub(super) fn unknown(lane: usize) -> Leaders {
        Leaders {
            source: AtomicI32::new(-1),
            source_epoch: AtomicI32::new(-1),
            destination: AtomicI32::new(-1),
            lane: AtomicUsize::new(lane),
        }
    }

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

    /// Lane to the destination leader.
    pub(super) fn lane(&self) -> usize {
        self.lane.load(Ordering::Relaxed)
    }

    pub(super) fn set_lane(&self, lane: usize) {
        self.lane.store(lane, Ordering::Relaxed);
    }
}
