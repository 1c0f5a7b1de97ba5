//! The Linkgate daemon as a library: gateway, mirror engine and admin API.
//!
//! Imports go one way (docs/DESIGN.md has the picture): `wire` knows bytes only; `net` moves them; `client` is our own
//! Kafka client; `gateway` stands between clients and destination brokers; `mirror` copies from source to destination;
//! `admin` serves HTTP. `gateway` and `mirror` never import each other: they meet in `state::model` snapshots only.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod admin;
pub mod app;
pub mod client;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod gateway;
pub mod mirror;
pub mod net;
pub mod obs;
pub mod shutdown;
pub mod wire;
