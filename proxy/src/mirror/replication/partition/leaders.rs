//! Leaders of a partition on both sides, as metadata last reported them, and its lane to the destination
//! leader.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// Broker ids; -1 when not known.
#[derive(Debug)]
pub(crate) struct Leaders {
    source: AtomicI32,
    source_epoch: AtomicI32,
    destination: AtomicI32,
    lane: AtomicUsize,
}

impl Leaders {
    /// Creates an entry without leaders; `lane` is the first lane.
    pub(crate) fn unknown(lane: usize) -> Leaders {
        Leaders {
            source: AtomicI32::new(-1),
            source_epoch: AtomicI32::new(-1),
            destination: AtomicI32::new(-1),
            lane: AtomicUsize::new(lane),
        }
    }

    /// Returns the leader on the source and its leader epoch.
    pub(crate) fn source(&self) -> (i32, i32) {
        (self.source.load(Ordering::Relaxed), self.source_epoch.load(Ordering::Relaxed))
    }

    pub(crate) fn set_source(&self, leader: i32, epoch: i32) {
        self.source.store(leader, Ordering::Relaxed);
        self.source_epoch.store(epoch, Ordering::Relaxed);
    }

    /// Returns the leader on the destination.
    pub(crate) fn destination(&self) -> i32 {
        self.destination.load(Ordering::Relaxed)
    }

    /// Sets the leader on the destination and returns the former one.
    pub(crate) fn set_destination(&self, leader: i32) -> i32 {
        self.destination.swap(leader, Ordering::Relaxed)
    }

    /// Returns the lane to the destination leader.
    pub(crate) fn lane(&self) -> usize {
        self.lane.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lane(&self, lane: usize) {
        self.lane.store(lane, Ordering::Relaxed);
    }
}
