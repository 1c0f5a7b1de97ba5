//! Harness of the test suites and of the demo: real Kafka clusters, Kafka's own tools, the Linkgate daemon
//! and its command-line tools as child processes, and a small independent wire-level reader that compares two
//! clusters.
//!
//! | module | what it owns |
//! |---|---|
//! | [`stage`] | what a suite plays on: the daemon and its tools, two clusters around it, or three |
//! | [`kafka`] | brokers of the pinned versions, their tools, users, ACLs, certificates, moving leaders |
//! | [`client`] | one blocking request to one broker, and on top of it topics, configs, offsets, log ends |
//! | [`produce`] | producers of every kind, handmade batches, free headers |
//! | [`read`] | every record of a partition, and comparing two clusters offset by offset, or by digest |
//! | [`workload`] | producers that write during faults: a topic for each way of writing |
//! | [`audit`] | the verdict on a mirror: every record of it against the log of the source |
//! | [`fault`] | deliberate faults: a misbehaving TCP proxy, full disks |
//! | [`soak`] | a schedule of faults, what each explains, and the audit at the end |
//! | [`interop`] | the client matrix |
//! | [`rpc`] | every message of the protocol as JSON, by Kafka's own schemas |
//! | [`machine`] | bounded waits, ports, child processes, directories, .properties files |
//!
//! Every function here fails by panicking with a message, because it serves tests. Child processes die with
//! the process that started them, however that one ends.

pub mod audit;
pub mod client;
pub mod fault;
pub mod interop;
pub mod kafka;
pub mod machine;
pub mod produce;
pub mod read;
pub mod rpc;
pub mod soak;
pub mod stage;
pub mod workload;
