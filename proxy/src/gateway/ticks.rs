//! Time as one number that fits an atomic: microseconds since the gateway was built, never 0.

use tokio::time::Instant;

/// Microseconds of a [`Ticks`]; 0 stands for "not".
pub(super) type Micros = u64;

/// A monotonic clock that all sessions share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks(Instant);

impl Ticks {
    pub(super) fn start() -> Self {
        Ticks(Instant::now())
    }

    pub(super) fn now(self) -> Micros {
        Micros::try_from(self.0.elapsed().as_micros()).unwrap_or(Micros::MAX - 1) + 1
    }
}

/// A duration in the same unit.
pub(super) fn micros(duration: std::time::Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}
