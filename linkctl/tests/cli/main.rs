//! Runs the three binaries against a small HTTP server with canned answers. Checks the exact output and exit
//! codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod cluster_links;
mod failures;
mod filler;
mod help;
mod journal;
mod linkctl;
mod mirrors;
mod run;
mod server;
mod start_offset;
