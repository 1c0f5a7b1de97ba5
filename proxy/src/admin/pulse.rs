//! Watches whether the worker threads still run. The admin API has its own thread and would not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use tokio_util::sync::CancellationToken;

/// Interval between two beats. Each wakes a worker that may have nothing else to do.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Silence after which an error is logged.
const NOTICED: Duration = Duration::from_secs(2);
/// Silence after which the daemon counts as dead. No request takes that long, but a deadlock does.
pub(crate) const DEAD: Duration = Duration::from_secs(30);

/// Heartbeat of the runtime that serves clients and mirrors. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    begin: Instant,
    /// Time of the last beat, in milliseconds since `begin`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse(Arc::new(Beats { begin: Instant::now(), last: AtomicU64::new(0) }))
    }
}

impl Pulse {
    /// Beats while the runtime schedules this task. Run it on the watched runtime.
    pub(crate) async fn beat(self, stop: CancellationToken) {
        loop {
            self.0.last.store(self.now(), Ordering::Release);
            if stop.run_until_cancelled(tokio::time::sleep(BEAT_INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    /// Logs when the beat stops, and when it is back. Run it on another thread than the watched runtime.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let mut longest = Duration::ZERO;
        while stop.run_until_cancelled(tokio::time::sleep(NOTICED / 4)).await.is_some() {
            let silence = self.silence();
            if silence >= NOTICED && longest.is_zero() {
                let silent_ms = silence.as_millis() as u64;
                tracing::error!(silent_ms, "all worker threads are blocked");
            }
            if silence < NOTICED && !longest.is_zero() {
                let silent_ms = longest.as_millis() as u64;
                tracing::warn!(silent_ms, "the worker threads run again");
            }
            longest = if silence < NOTICED { Duration::ZERO } else { silence };
        }
    }

    /// Returns the time since the last beat, minus the interval between beats.
    pub(crate) fn silence(&self) -> Duration {
        let last = self.0.last.load(Ordering::Acquire);
        Duration::from_millis(self.now().saturating_sub(last)).saturating_sub(BEAT_INTERVAL)
    }

    /// Returns the milliseconds since `begin`.
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
        // This blocks the only thread of the runtime.
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(pulse.silence() > Duration::from_millis(350), "{:?}", pulse.silence());
        stop.cancel();
        beating.await.unwrap();
    }
}
