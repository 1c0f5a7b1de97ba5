//! Limits log lines that a client can cause at will: one line of each kind within ten seconds, and a count of
//! the others.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Minimum time between two lines of one kind.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Time of the last line of each kind. Kinds are constants of the program, so the map stays small.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter(Mutex<BTreeMap<&'static str, LastLogged>>);

#[derive(Debug)]
struct LastLogged {
    at: Instant,
    suppressed: u64,
}

impl LogLimiter {
    pub(crate) const fn new() -> Self {
        LogLimiter(Mutex::new(BTreeMap::new()))
    }

    /// Returns the number of suppressed lines since the last one if a line of this kind may be written now,
    /// otherwise `None`.
    pub(crate) fn may_log(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = self.0.lock();
        match kinds.get_mut(kind) {
            Some(told) if now.duration_since(told.at) < LOG_INTERVAL => {
                told.suppressed += 1;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.suppressed))
            }
            None => {
                let _ = kinds.insert(kind, LastLogged { at: now, suppressed: 0 });
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
        let log_limiter = LogLimiter::default();
        assert_eq!(log_limiter.may_log("a"), Some(0));
        assert_eq!(log_limiter.may_log("b"), Some(0));
        for _ in 0..1_000 {
            assert_eq!(log_limiter.may_log("a"), None);
        }
        tokio::time::advance(LOG_INTERVAL).await;
        assert_eq!(log_limiter.may_log("a"), Some(1_000));
        assert_eq!(log_limiter.may_log("a"), None);
    }
}
