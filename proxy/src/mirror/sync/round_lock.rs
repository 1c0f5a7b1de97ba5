//! Locks by link, so that periodic rounds and the last syncs of stops do not overtake each other when they
//! write.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Turn = Arc<RwLock<()>>;

/// Locks by link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoundLock(Arc<Mutex<HashMap<String, Turn>>>);

impl RoundLock {
    /// Waits for exclusive access to a link, which lasts until the guard is dropped. Work under earlier
    /// guards is done by then.
    pub(crate) async fn take(&self, link: &str) -> OwnedRwLockWriteGuard<()> {
        self.of(link).write_owned().await
    }

    /// Waits for access that is shared with other callers of this function.
    pub(crate) async fn share(&self, link: &str) -> OwnedRwLockReadGuard<()> {
        self.of(link).read_owned().await
    }

    fn of(&self, link: &str) -> Turn {
        let mut all = self.0.lock();
        Arc::clone(all.entry(link.to_owned()).or_default())
    }
}
