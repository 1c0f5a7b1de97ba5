//! Stopping the process: signals, and the order in which components stop.
//!
//! The first SIGTERM or SIGINT asks all components to finish. A second one ends the process at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that stop the daemon.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Installs handlers for SIGTERM and SIGINT.
    ///
    /// # Errors
    /// Fails if the handlers cannot be installed.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// One stop token for each phase of a stop, in this order: gateway, mirror engine, admin API. The admin API
/// stops last, so that an operator can still query the progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phases {
    /// Stops the gateway.
    pub gateway: CancellationToken,
    /// Stops the mirror engine.
    pub engine: CancellationToken,
    /// Stops the admin API and the tasks that watch the journal.
    pub admin: CancellationToken,
}

/// Waits until a component that was told to stop has stopped. Logs a warning and returns false if it takes
/// longer than `deadline`.
pub(crate) async fn drained(
    component: &'static str,
    deadline: Duration,
    stopped: impl Future<Output = ()>,
) -> bool {
    let done = tokio::time::timeout(deadline, stopped).await.is_ok();
    if !done {
        let deadline_ms = deadline.as_millis();
        tracing::warn!(component, deadline_ms, "component did not stop in time");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drained_returns_false_for_a_component_that_does_not_stop() {
        let deadline = Duration::from_millis(50);
        assert!(drained("quick", deadline, async {}).await);
        assert!(!drained("stuck", deadline, std::future::pending()).await);
    }
}
