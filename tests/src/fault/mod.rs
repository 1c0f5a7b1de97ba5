//! Faults on purpose: what a network, a disk and a process can do to those that rely on them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`proxy`] | a TCP proxy that cuts, delays, swallows, holds, throttles and refuses |
//! | [`behaviour`] | what it does to the bytes at the moment |
//! | [`disk`] | a small disk of its own that can be filled |

pub mod behaviour;
pub mod disk;
pub mod proxy;
mod pump;

pub use behaviour::Behaviour;
pub use disk::Disk;
pub use proxy::FaultProxy;
