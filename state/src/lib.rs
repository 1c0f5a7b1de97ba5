//! The state of Linkgate, and how it is stored.
//!
//! * [`model`]: links, mirror topics, their state machines, filters and configs. Pure: no I/O, no clock.
//! * [`invariant`]: the named rules that must hold, as functions for assertions and tests.
//! * `store` (feature `store`): the journal and its materialised view, on RocksDB or in memory.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod invariant;
pub mod model;
#[cfg(feature = "store")]
pub mod store;
