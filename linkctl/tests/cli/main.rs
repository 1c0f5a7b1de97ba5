//! The three binaries as their users run them, against a small HTTP server with canned answers: exact output and exit
//! codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod cluster_links;
mod failures;
mod filler;
mod journal;
mod linkctl;
mod mirrors;
mod run;
mod server;
mod start_offset;
