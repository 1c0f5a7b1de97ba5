//! The path of a record: fetched from the source, shaped, queued in its partition, appended to the destination.
//!
//! ```text
//! position (recovery) ─► fetch ─► shape ─► partition (window) ─► append
//! ```
pub(crate) mod append;
pub(crate) mod assignment;
pub(crate) mod blocking_transaction;
pub(crate) mod byte_budget;
pub(crate) mod failure;
pub(crate) mod fetch;
pub(crate) mod lane;
pub(crate) mod log_start_trim;
pub(crate) mod partition;
pub(crate) mod position;
pub(crate) mod shape;
pub(crate) mod truncation_check;
