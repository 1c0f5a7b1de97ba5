//! A partition whose last answer is still being shaped, beside the fetcher: nothing is fetched for it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Partition;

#[derive(Debug, Default)]
pub(super) struct ShapingFlag(AtomicBool);

impl ShapingFlag {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The partition is left out of fetches until this is dropped.
#[derive(Debug)]
pub struct Shaping(Arc<Partition>);

impl Drop for Shaping {
    fn drop(&mut self) {
        self.0.shaping.0.store(false, Relaxed);
    }
}

impl Partition {
    /// Leaves the partition out of fetches until the answer is dropped.
    #[must_use]
    pub fn shaping(self: &Arc<Self>) -> Shaping {
        self.shaping.0.store(true, Relaxed);
        Shaping(Arc::clone(self))
    }
}
