//! Peers: the programs that a user would run instead of Linkgate.

pub mod follower;
pub mod haproxy;
pub mod mirror_maker;
