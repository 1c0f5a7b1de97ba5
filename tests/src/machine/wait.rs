//! Bounded waits. A wait that fails panics with what did not happen; it never hangs.

use std::time::{Duration, Instant};

/// Timeout for anything that should happen. It is generous: a slow machine must not fail a test.
pub const LONG: Duration = Duration::from_secs(120);

/// Polls `probe` until it returns `Some`, for at most `limit`.
///
/// # Panics
/// Panics with `what` if it never does.
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

/// Polls `probe` until it returns `Ok`, for at most `limit`.
///
/// # Panics
/// Panics with `what` and the last error if it never does.
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
