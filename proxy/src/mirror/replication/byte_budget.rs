//! The byte budget: bounds the record bytes that all partitions together hold between fetch and append.

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
}
