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
