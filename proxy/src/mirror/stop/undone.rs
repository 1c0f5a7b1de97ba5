//! Records what a stop could not do and goes on without. Each item is reported by name, and the stop waits
//! for none without limit.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::mirror::stop::StopJob;
use crate::mirror::stop::failover::LEADERLESS_TIMEOUT;

/// Maximum time that the last syncs wait, from their first attempt on, for trouble that may pass by itself.
pub(crate) const LAST_SYNC_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of lines that are kept of one stop. Further lines are only counted.
const LINES: usize = 50;

/// The list of what one stop could not do so far.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    lines: Mutex<BTreeSet<String>>,
    last_syncs_since: OnceLock<Instant>,
    pub(crate) leaderless_since: OnceLock<Instant>,
}

impl Undone {
    /// Returns the lines for the journal.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all = self.lines.lock();
        let mut lines: Vec<String> = all.iter().take(LINES).cloned().collect();
        if all.len() > LINES {
            lines.push(format!("{} more, see the log", all.len() - LINES));
        }
        lines
    }

    /// Returns true if the last syncs may still wait for trouble that may pass by itself. The first call
    /// starts the clock.
    pub(crate) fn may_wait(&self) -> bool {
        self.last_syncs_since.get_or_init(Instant::now).elapsed() < LAST_SYNC_TIMEOUT
    }

    /// Returns true if a failover may still wait for leaders. The first call starts the clock.
    pub(crate) fn may_wait_for_leaders(&self) -> bool {
        self.leaderless_since.get_or_init(Instant::now).elapsed() < LEADERLESS_TIMEOUT
    }
}

impl StopJob {
    /// Records and logs that the stop continues without a step, described by `line`.
    pub(crate) fn go_on_without(&self, line: String) {
        let mut all = self.undone.lines.lock();
        if !all.contains(&line) {
            warn!(
                link = self.mirror.link,
                topic = self.topic(),
                what = line,
                "the stop continues without a step"
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
        undone.lines.lock().extend((0..LINES + 3).map(|n| format!("group {n:03}")));
        let lines = undone.lines();
        assert_eq!((lines.len(), lines[LINES].as_str()), (LINES + 1, "3 more, see the log"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_syncs_wait_for_a_bounded_time() {
        let undone = Undone::default();
        assert!(undone.may_wait());
        tokio::time::advance(LAST_SYNC_TIMEOUT).await;
        assert!(!undone.may_wait());
    }
}
