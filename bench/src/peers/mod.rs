//! What a user would run instead.

pub mod follower;
pub mod haproxy;
pub mod mirror_maker;
