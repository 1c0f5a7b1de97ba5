//! Whether the threads that do the work still run: the admin API has a thread of its own and would not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Time between two beats. Each wakes a worker that may have nothing else to do.
const BEAT: Duration = Duration::from_secs(1);
/// Silence that is told in the log.
const NOTICED: Duration = Duration::from_secs(2);
/// Silence after which the daemon counts as dead: no request is that long, a deadlock is.
pub(super) const DEAD: Duration = Duration::from_secs(30);

/// The beat of the runtime that serves clients and mirrors. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    begin: Instant,
    /// Of the last beat, in milliseconds since `begin`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse(Arc::new(Beats { begin: Instant::now(), last: AtomicU64::new(0) }))
    }
}

impl Pulse {
    /// Beats for as long as the runtime gives it a turn. Belongs on the runtime that is watched.
    pub(super) async fn beat(self, stop: CancellationToken) {
        loop {
            self.0.last.store(self.now(), Ordering::Release);
            if stop.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_none() {
                return;
            }
        }
    }

    /// Tells the log when the beat stays away, and when it is back. Belongs on another thread.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut longest = Duration::ZERO;
        while stop.run_until_cancelled(tokio::time::sleep(NOTICED / 4)).await.is_some() {
            let silence = self.silence();
            if silence >= NOTICED && longest.is_zero() {
                let silent_ms = silence.as_millis() as u64;
                tracing::error!(
                    silent_ms,
                    "no worker thread gets to its next task: something keeps all of them"
                );
            }
            if silence < NOTICED && !longest.is_zero() {
                let silent_ms = longest.as_millis() as u64;
                tracing::warn!(silent_ms, "the worker threads go on");
            }
            longest = if silence < NOTICED { Duration::ZERO } else { silence };
        }
    }

    /// Time since the last beat, less the time between two.
    pub(super) fn silence(&self) -> Duration {
        let last = self.0.last.load(Ordering::Acquire);
        Duration::from_millis(self.now().saturating_sub(last)).saturating_sub(BEAT)
    }

    /// Milliseconds since the beginning.
    fn now(&self) -> u64 {
        u64::try_from(self.0.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_is_kept_busy_is_silent() {
        let (pulse, stop) = (Pulse::default(), CancellationToken::new());
        let beating = tokio::spawn(pulse.clone().beat(stop.clone()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(pulse.silence() < Duration::from_millis(150), "{:?}", pulse.silence());
        // The only thread of this runtime.
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(pulse.silence() > Duration::from_millis(350), "{:?}", pulse.silence());
        stop.cancel();
        beating.await.unwrap();
    }
}
