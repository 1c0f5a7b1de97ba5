//! The mirror engine: fetch from the source, shape, append to the destination at the same offsets.

pub mod command;
pub mod config_sync;
pub mod group_offsets;
pub mod handle;
pub mod link_probe;
pub mod offset_plan;
pub mod offset_sync;
pub mod per_link;
pub mod progress;
pub mod source_clusters;
pub mod synced_configs;
pub mod task_status;
pub mod topic_admin;

#[cfg(test)]
pub(crate) mod sample;
