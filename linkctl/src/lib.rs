//! The command-line side of Linkgate: REST data types, HTTP client, output, and what the three binaries share.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod rest;
