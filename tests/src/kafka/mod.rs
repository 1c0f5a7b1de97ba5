//! Real Apache Kafka of the pinned versions: the jars, single brokers, clusters and Kafka's own tools.

pub mod cluster;
pub mod dist;
pub mod node;
pub mod tools;
pub mod zookeeper;

pub use cluster::Cluster;
pub use dist::{Dist, Version};
pub use tools::Tools;
pub use zookeeper::ZooKeeper;

/// Broker configs with which a producer id is forgotten a second after its last record, as the defaults do after a day: as if every
/// record were from yesterday, which those of a backfill are.
pub const FORGETFUL: [(&str, &str); 2] =
    [("producer.id.expiration.ms", "1000"), ("producer.id.expiration.check.interval.ms", "500")];
