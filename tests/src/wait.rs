//! Bounded waits. A wait fails by saying what did not happen, never by hanging.

use std::time::{Duration, Instant};

/// How long anything may take before it counts as stuck. Generous: a slow machine must not fail a test.
pub const LONG: Duration = Duration::from_secs(120);

/// Polls `probe` until it answers `Some`, for at most `limit`.
///
/// # Panics
/// When it never does; the message is `what`.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Polls `probe` until it answers `Ok`, for at most `limit`.
///
/// # Panics
/// When it never does; the message is `what` and the last error.
pub fn until_ok<T, E: std::fmt::Display>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(error) => {
                assert!(begin.elapsed() < limit, "not within {limit:?}: {what}: {error}");
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
