//! The harness of the suites and of the demo: real Kafka clusters, Kafka's own tools, the Linkgate daemon and its
//! command-line tools as child processes, and a small independent wire-level reader to compare two clusters.
//!
//! | module | what it owns |
//! |---|---|
//! | [`kafka`] | brokers of the pinned versions, and their tools |
//! | [`linkgate`] | the daemon and its command-line tools |
//! | [`access`], [`certificates`] | users, ACLs, certificates of secured clusters |
//! | [`client`] | one blocking request to one broker |
//! | [`admin`] | topics, configs, group offsets through [`client`] |
//! | [`digest`] | comparing topics that are too long to be held |
//! | [`read`] | every record of a partition, and comparing two clusters offset by offset |
//! | [`produce`], [`raw_batch`], [`crafted`] | producers of every kind, batches by hand, batches with every header field chosen |
//! | [`raw_frame`] | requests as bytes, for clients that follow no rule |
//! | [`pair`] | a source, a destination and a Linkgate between them |
//! | [`trio`] | the same with a third cluster that can answer at either address |
//! | [`vitals`] | health, lag and memory of a daemon while something is done to it |
//! | [`fault`] | faults on purpose: a misbehaving TCP proxy, full disks |
//! | [`interop`] | the client matrix |
//! | [`rpc`] | every message of the protocol as JSON, by Kafka's own schemas |
//! | [`python`], [`properties`] | Python clients, .properties files |
//! | [`wait`], [`ports`], [`process`], [`workdir`] | bounded waits, ports, children, directories |
//!
//! Everything here fails by panicking with a sentence: it serves tests. Children die with the process that started
//! them, whatever ends it.

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
