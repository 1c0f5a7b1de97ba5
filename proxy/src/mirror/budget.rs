//! How many record bytes all partitions together hold between fetch and append.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on bytes held. Taking never fails: fetchers ask [`ByteBudget::is_spent`] before they fetch, so the bound is
/// exceeded by one fetch response per fetcher at most.
#[derive(Debug)]
pub struct ByteBudget {
    used: AtomicUsize,
    limit: usize,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        ByteBudget { used: AtomicUsize::new(0), limit }
    }

    /// Takes `bytes`.
    pub fn take(&self, bytes: usize) {
        let _ = self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives `bytes` back.
    pub fn give_back(&self, bytes: usize) {
        let _ = self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Nothing more should be fetched for now.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }
}
