//! Admin calls of [`super::Cluster`], one kind per file.
//!
//! Each call finds the broker that is responsible (controller, leader, coordinator), and when that has moved or does not
//! answer it refreshes the metadata and tries again, a bounded number of times (about three seconds of waiting in all,
//! plus timeouts). Errors of single topics and partitions are part of the answer, as [`super::ClientError`] with
//! Kafka's code and name.

use std::collections::BTreeMap;

mod configs;
mod coordinator;
mod delete_records;
mod describe_cluster;
mod fresh_topic;
mod group_offsets;
mod groups;
mod leader_epoch;
mod list_offsets;
mod producers;
mod records;
mod topic_existence;
mod topics;

pub use configs::{AlterConfig, ConfigEntry, ConfigSource};
pub use describe_cluster::ClusterDescription;
pub use fresh_topic::FreshTopic;
pub use group_offsets::{CommittedOffset, GroupOffset};
pub use groups::{DescribedGroup, ListedGroup};
pub use leader_epoch::EpochEnd;
pub use list_offsets::{Isolation, ListedOffset, OffsetSpec};
pub use producers::ProducerState;
pub use topics::NewTopic;

/// A partition of a topic.
pub type TopicPartition = (String, i32);

/// What is asked of partitions, topic by topic as requests have it; `ask` makes one of a partition's index and what is wanted.
fn by_topic<X, P>(wanted: Vec<(TopicPartition, X)>, ask: impl Fn(i32, X) -> P) -> BTreeMap<String, Vec<P>> {
    let mut topics: BTreeMap<String, Vec<P>> = BTreeMap::new();
    for ((topic, partition), with) in wanted {
        topics.entry(topic).or_default().push(ask(partition, with));
    }
    topics
}
