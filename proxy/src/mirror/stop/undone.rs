//! What a stop could not do and goes on without: reported by name, never waited for without end.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::StopJob;
use super::failover::LEADERLESS_WITHIN;

/// How long a last sync waits, from its first attempt on, for what may pass by itself.
pub(super) const PASSES_WITHIN: Duration = Duration::from_secs(30);
/// Lines kept of one stop; the rest is counted.
const LINES: usize = 50;

/// What one stop could not do so far.
#[derive(Debug, Default)]
pub(in crate::mirror) struct Undone {
    lines: Mutex<BTreeSet<String>>,
    last_syncs_since: OnceLock<Instant>,
    pub(super) leaderless_since: OnceLock<Instant>,
}

impl Undone {
    /// The lines for the journal.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = all.iter().take(LINES).cloned().collect();
        if all.len() > LINES {
            lines.push(format!("{} more, see the log", all.len() - LINES));
        }
        lines
    }

    /// Whether the last syncs may still wait for what passes by itself. The first question starts the clock.
    pub(super) fn may_wait(&self) -> bool {
        self.last_syncs_since.get_or_init(Instant::now).elapsed() < PASSES_WITHIN
    }

    /// Whether a failover may still wait for leaders. The first question starts the clock.
    pub(super) fn may_wait_for_leaders(&self) -> bool {
        self.leaderless_since.get_or_init(Instant::now).elapsed() < LEADERLESS_WITHIN
    }
}

impl StopJob {
    /// Goes on without something, and says so.
    pub(super) fn go_on_without(&self, line: String) {
        let mut all = self.undone.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&line) {
            warn!(
                link = self.mirror.link,
                topic = self.topic(),
                what = line,
                "the stop goes on without something"
            );
            let _ = all.insert(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_rest_is_counted() {
        let undone = Undone::default();
        undone.lines.lock().unwrap().extend((0..LINES + 3).map(|n| format!("group {n:03}")));
        let lines = undone.lines();
        assert_eq!((lines.len(), lines[LINES].as_str()), (LINES + 1, "3 more, see the log"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_syncs_wait_for_a_bounded_time() {
        let undone = Undone::default();
        assert!(undone.may_wait());
        tokio::time::advance(PASSES_WITHIN).await;
        assert!(!undone.may_wait());
    }
}
