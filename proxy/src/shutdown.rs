//! The stop of the process: signals, and the order in which components end.
//!
//! The first SIGTERM or SIGINT asks all components to finish; the second ends the process at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that stop the daemon.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on the signals are ours.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn install() -> io::Result<Self> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The parts that end one after the other: clients first, then mirroring, then the admin API, so that one can still ask
/// how far things are.
#[derive(Debug, Clone, Default)]
pub struct Phases {
    /// Ends the gateway.
    pub gateway: CancellationToken,
    /// Ends the mirror engine and all that watches the journal.
    pub engine: CancellationToken,
    /// Ends the admin API.
    pub admin: CancellationToken,
}

/// Waits for one component that was told to end; says so when it takes longer than `deadline`.
pub async fn drained(component: &'static str, deadline: Duration, stopped: impl Future<Output = ()>) -> bool {
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
    async fn a_component_that_does_not_stop_is_left_behind() {
        let deadline = Duration::from_millis(50);
        assert!(drained("quick", deadline, async {}).await);
        assert!(!drained("stuck", deadline, std::future::pending()).await);
    }
}
