//! Deliberate faults of networks and disks.
//!
//! | module | content |
//! |---|---|
//! | [`proxy`] | a TCP proxy that cuts, delays, swallows, holds, throttles and refuses |
//! | [`behaviour`] | the present fault of a proxy |
//! | [`line`] | a long line: every byte arrives a fixed time later |
//! | [`disk`] | a small disk that can be filled |

pub mod behaviour;
pub mod disk;
pub mod line;
pub mod proxy;
mod pump;

pub use behaviour::Behaviour;
pub use disk::Disk;
pub use line::Line;
pub use proxy::FaultProxy;
