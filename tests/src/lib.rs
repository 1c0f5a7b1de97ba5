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
//! | [`produce`], [`raw_batch`] | producers of every kind, batches by hand |
//! | [`pair`] | a source, a destination and a Linkgate between them |
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
pub mod read;
pub mod records;
pub mod rpc;
pub mod soak;
pub mod wait;
pub mod workdir;
pub mod workload;
