//! Excludes a partition from the fetches of the session while a catch-up fetches for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::mirror::replication::byte_budget::Reserved;
use crate::mirror::replication::partition::Partition;

#[derive(Debug, Default)]
pub(crate) struct CatchingUpFlag(AtomicBool);

impl CatchingUpFlag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Guard that excludes a partition from the fetches of the session until it is dropped.
#[derive(Debug)]
pub(crate) struct CatchingUp(Arc<Partition>);

impl Drop for CatchingUp {
    fn drop(&mut self) {
        self.0.catching_up.0.store(false, Relaxed);
    }
}

impl Partition {
    /// Excludes the partition from the fetches of the session until the returned guard is dropped. Returns
    /// `None` if another catch-up has it.
    #[must_use]
    pub(crate) fn catching_up(self: &Arc<Self>) -> Option<CatchingUp> {
        (!self.catching_up.0.swap(true, Relaxed)).then(|| CatchingUp(Arc::clone(self)))
    }

    /// Reserves bytes of the byte budget for an answer that is asked for ahead ([`crate::mirror::replication::byte_budget::ByteBudget::reserve`]).
    #[must_use]
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reserved> {
        self.budget.reserve(bytes)
    }

    /// Returns the bytes that all answers that are asked for ahead may use together.
    #[must_use]
    pub(crate) fn reservable(&self) -> usize {
        self.budget.reservable()
    }
}
