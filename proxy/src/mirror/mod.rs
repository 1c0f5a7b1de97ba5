//! The mirror engine: fetch from the source, shape, append to the destination at the same offsets.
//!
//! ```text
//! engine ─► link_runner ─► registrar ─► register      where the destination log ends
//!               │  └─► workers ─► fetcher (fetch_session) ─► fetched ─► shape ─► partition ─► appender ─► appended
//!               └─► stop (promote, failover, fence)
//! command (what operators ask)   offset_sync, config_sync, link_probe (what recurs)
//! ```

mod appended;
pub mod appender;
pub mod budget;
pub mod clearance;
pub mod command;
mod compacted;
pub mod config_sync;
mod engine;
mod fetch_session;
pub mod fetched;
pub mod fetcher;
pub mod fill_cost;
pub mod filler_census;
pub mod group_offsets;
pub mod group_trouble;
pub mod handle;
pub mod keeper;
mod lane;
pub mod last_offsets;
mod lineage;
pub mod link_probe;
mod link_runner;
mod log_bounds;
mod log_start;
pub mod metrics;
pub mod offset_plan;
pub mod offset_sync;
pub mod on_the_way;
mod open_transaction;
pub mod partition;
pub mod per_link;
pub mod progress;
pub mod ready;
mod record;
mod refused_config;
pub mod register;
mod registrar;
pub mod shape;
pub mod source_clusters;
pub mod start_offset;
mod stop;
pub mod stop_waits;
pub mod synced_configs;
pub mod task_status;
mod together;
pub mod topic;
pub mod topic_admin;
mod turns;
pub mod workers;

#[cfg(test)]
pub(crate) mod sample;

use std::time::Duration;

pub use engine::Engine;

/// Pause after this many failures in a row: 50 ms, doubling up to 2 s, with jitter.
fn pause_after(failures: u32) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let base = 50u64 << failures.saturating_sub(1).min(6);
    Duration::from_millis(base.min(2_000)).mul_f64(0.75 + fastrand::f64() / 2.0)
}
