//! Who may write for a link: periodic rounds and the last syncs of stops must not overtake each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Turn = Arc<RwLock<()>>;

/// Turns by link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Turn>>>);

impl Turns {
    /// Waits for a turn alone, which ends when the guard is dropped: what others began in theirs is done by then.
    pub(super) async fn take(&self, link: &str) -> OwnedRwLockWriteGuard<()> {
        self.of(link).write_owned().await
    }

    /// Waits for a turn together with others who share it.
    pub(super) async fn share(&self, link: &str) -> OwnedRwLockReadGuard<()> {
        self.of(link).read_owned().await
    }

    fn of(&self, link: &str) -> Turn {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(link.to_owned()).or_default())
    }
}
