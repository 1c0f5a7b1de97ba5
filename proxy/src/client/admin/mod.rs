//! Admin calls of [`crate::client::Cluster`], one kind per file.
//!
//! Each call goes to the responsible broker (controller, leader or coordinator). If that has moved or does
//! not answer, the call refreshes the metadata and tries again, up to a bound: about 2.5 seconds of pauses,
//! plus timeouts. Errors of single topics and partitions are part of the result, as [`crate::client::ClientError`]
//! with Kafka's code and name.

use crate::client::types::TopicPartition;
use std::collections::BTreeMap;

pub(crate) mod configs;
pub(crate) mod coordinator;
pub(crate) mod delete_records;
pub(crate) mod describe_cluster;
pub(crate) mod fresh_topic;
pub(crate) mod group_offsets;
pub(crate) mod groups;
pub(crate) mod leader_epoch;
pub(crate) mod list_offsets;
pub(crate) mod producers;
pub(crate) mod records;
pub(crate) mod topic_existence;
pub(crate) mod topics;

pub(crate) use self::configs::{AlterConfig, ConfigEntry};
pub(crate) use self::fresh_topic::FreshTopic;
pub(crate) use self::group_offsets::GroupOffset;
pub(crate) use self::list_offsets::Isolation;

/// Groups questions about partitions by topic, as requests need them. `ask` makes one entry of a partition
/// index and its question.
fn by_topic<X, P>(wanted: Vec<(TopicPartition, X)>, ask: impl Fn(i32, X) -> P) -> BTreeMap<String, Vec<P>> {
    let mut topics: BTreeMap<String, Vec<P>> = BTreeMap::new();
    for ((topic, partition), with) in wanted {
        topics.entry(topic).or_default().push(ask(partition, with));
    }
    topics
}
