//! One at a time, by link: a periodic round and the last sync of a promote must not overtake each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Turn>>>);

impl Turns {
    /// Waits for the turn, which ends when the guard is dropped.
    pub(super) async fn take(&self, link: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(link.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}
