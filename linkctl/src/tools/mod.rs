//! The command lines of the tools that behave like Kafka's own.

mod cluster_links;
mod mirrors;

pub use self::cluster_links::CLUSTER_LINKS;
pub use self::mirrors::MIRRORS;
