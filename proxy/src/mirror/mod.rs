//! The mirror engine: fetches from the source, shapes, and appends to the destination at the same offsets.
//!
//! ```text
//! engine ─► link_runner ─► registrar ─► register      recovers the append position
//!               │  └─► workers ─► fetcher (fetch_session) ─► fetched ─► shape ─► partition
//!               │                                                          ─► appender ─► appended
//!               └─► stop (promote, failover, fence)
//! command (commands of operators)   offset_sync, config_sync, link_probe (periodic tasks)
//! ```
pub(crate) mod clearance;
pub(crate) mod clusters;
pub(crate) mod command;
pub(crate) mod engine;
pub(crate) mod filler_report;
pub(crate) mod in_flight;
pub(crate) mod journal;
pub(crate) mod log_bounds;
pub(crate) mod metrics;
pub(crate) mod progress;
pub(crate) mod replication;
pub(crate) mod stop;
pub(crate) mod stop_waits;
pub(crate) mod sync;
pub(crate) mod together;
pub(crate) mod topic_ids;

#[cfg(test)]
pub(crate) mod test_support;

use std::time::Duration;

pub(crate) use self::engine::Engine;
use crate::backoff;

/// Returns the pause after this many failures in a row: 50 ms, doubling up to 2 s, with jitter.
fn pause_after(failures: u32) -> Duration {
    backoff::delay(failures, Duration::from_millis(50), Duration::from_secs(2))
}
