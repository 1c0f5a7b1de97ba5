//! The mirror engine: fetch from the source, shape, append to the destination at the same offsets.

pub mod handle;
pub mod progress;
