//! Log lines that a client can cause at will: one of a kind now and then, the others counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Least time between two lines of a kind.
const PAUSE: Duration = Duration::from_secs(10);

/// When each kind was told last. Kinds are constants of the program, so it stays small.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<BTreeMap<&'static str, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    untold: u64,
}

impl Complaints {
    /// Nothing told yet.
    pub(super) const fn new() -> Self {
        Complaints(Mutex::new(BTreeMap::new()))
    }

    /// Whether a line of this kind may be written now, and how many were not since the last one; `None` when it may not.
    pub(super) fn may_tell(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(kind) {
            Some(told) if now.duration_since(told.at) < PAUSE => {
                told.untold += 1;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.untold))
            }
            None => {
                let _ = kinds.insert(kind, Told { at: now, untold: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_becomes_one_line_in_ten_seconds_and_a_count() {
        let complaints = Complaints::default();
        assert_eq!(complaints.may_tell("a"), Some(0));
        assert_eq!(complaints.may_tell("b"), Some(0));
        for _ in 0..1_000 {
            assert_eq!(complaints.may_tell("a"), None);
        }
        tokio::time::advance(PAUSE).await;
        assert_eq!(complaints.may_tell("a"), Some(1_000));
        assert_eq!(complaints.may_tell("a"), None);
    }
}
