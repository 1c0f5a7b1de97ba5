//! The byte budget: bounds the record bytes that all partitions together hold between fetch and append.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on bytes held. Taking never fails: fetchers ask [`ByteBudget::is_spent`] before they fetch, so the
/// bound is exceeded by at most one fetch response per fetcher.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    used: AtomicUsize,
    limit: usize,
}

impl ByteBudget {
    /// Creates a budget of `limit` bytes.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        ByteBudget { used: AtomicUsize::new(0), limit }
    }

    /// Takes `bytes`.
    pub(crate) fn take(&self, bytes: usize) {
        let _ = self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives `bytes` back.
    pub(crate) fn give_back(&self, bytes: usize) {
        let _ = self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns true if nothing more should be fetched for now.
    #[must_use]
    pub(crate) fn is_spent(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }

    /// Reserves `bytes` for an answer that is asked for ahead, if that leaves half of the budget to what is
    /// fetched in order.
    #[must_use]
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let free = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit / 2);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Reserved { budget: Arc::clone(self), bytes })
    }

    /// Returns the bytes that [`ByteBudget::reserve`] gives at most.
    #[must_use]
    pub(crate) fn reservable(&self) -> usize {
        self.limit / 2
    }
}

/// Bytes of the budget. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl Reserved {
    /// Returns the number of bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Uses `bytes` from now on, which may be more than the bound allows: they are in memory already.
    pub(crate) fn resize(&mut self, bytes: usize) {
        self.budget.take(bytes);
        self.budget.give_back(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}
