//! Real Apache Kafka of the pinned versions: jars, single brokers, clusters, Kafka's own tools, and what an
//! operator does to a cluster.

pub mod access;
pub mod certificates;
pub mod cluster;
pub mod dist;
pub mod leadership;
pub mod node;
pub mod tools;
pub mod zookeeper;

pub use cluster::Cluster;
pub use dist::{Dist, Version};
pub use tools::Tools;
pub use zookeeper::ZooKeeper;

/// Broker configs that make a broker forget a producer id one second after its last record. With the defaults
/// that takes a day, so this simulates records from yesterday, as in a backfill.
pub const FORGETFUL: [(&str, &str); 2] =
    [("producer.id.expiration.ms", "1000"), ("producer.id.expiration.check.interval.ms", "500")];
