//! What a suite plays on: the daemon with its command-line tools, and the clusters around it.

pub mod linkgate;
pub mod pair;
pub mod trio;
pub mod vitals;
