//! Bytes only: frames, bounded primitives, batch headers, filler. No tokio.

pub mod aborted;
pub mod batch;
pub mod error_code;
pub mod filler;
pub mod produce_encode;
pub mod rehead;
pub mod sequence;
pub mod walk;
