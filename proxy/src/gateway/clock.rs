//! Represents time as one number that fits an atomic: microseconds since the gateway was built, never 0.

use tokio::time::Instant;

/// Time in microseconds of a [`GatewayClock`]. 0 means "not set".
pub(crate) type Micros = u64;

/// Monotonic clock that all sessions share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GatewayClock(Instant);

impl GatewayClock {
    pub(crate) fn start() -> Self {
        GatewayClock(Instant::now())
    }

    pub(crate) fn now(self) -> Micros {
        Micros::try_from(self.0.elapsed().as_micros()).unwrap_or(Micros::MAX - 1) + 1
    }
}

/// Converts a duration to microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}
