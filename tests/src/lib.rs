//! Harness of the test suites and of the demo: real Kafka clusters, Kafka's own tools, the Linkgate daemon
//! and its command-line tools as child processes, and a small independent wire-level reader that compares two
//! clusters.
//!
//! | module | what it owns |
//! |---|---|
//! | [`kafka`] | brokers of the pinned versions, and their tools |
//! | [`linkgate`] | the daemon and its command-line tools |
//! | [`access`], [`certificates`] | users, ACLs, certificates of secured clusters |
//! | [`client`] | one blocking request to one broker |
//! | [`admin`] | topics, configs, group offsets through [`client`] |
//! | [`digest`] | comparing topics that are too long for memory |
//! | [`read`] | every record of a partition, and comparing two clusters offset by offset |
//! | [`produce`], [`raw_batch`], [`crafted`] | producers of every kind, handmade batches, free headers |
//! | [`raw_frame`] | requests as bytes, for clients that break the protocol |
//! | [`pair`] | a source, a destination and a Linkgate between them |
//! | [`trio`] | a pair with a third cluster that can answer at either address |
//! | [`vitals`] | health, lag and memory of a daemon under load or attack |
//! | [`fault`] | deliberate faults: a misbehaving TCP proxy, full disks |
//! | [`interop`] | the client matrix |
//! | [`rpc`] | every message of the protocol as JSON, by Kafka's own schemas |
//! | [`python`], [`properties`] | Python clients, .properties files |
//! | [`wait`], [`ports`], [`process`], [`workdir`] | bounded waits, ports, children, directories |
//!
//! Every function here fails by panicking with a message, because it serves tests. Child processes die with
//! the process that started them, however that one ends.

pub mod access;
pub mod admin;
pub mod audit;
pub mod certificates;
pub mod client;
pub mod crafted;
pub mod digest;
pub mod fault;
pub mod interop;
pub mod kafka;
pub mod leadership;
pub mod linkgate;
pub mod log_ends;
pub mod pair;
pub mod ports;
pub mod process;
pub mod produce;
pub mod properties;
pub mod python;
pub mod raw_batch;
pub mod raw_frame;
pub mod read;
pub mod records;
pub mod rpc;
pub mod soak;
pub mod trio;
pub mod vitals;
pub mod wait;
pub mod workdir;
pub mod workload;
