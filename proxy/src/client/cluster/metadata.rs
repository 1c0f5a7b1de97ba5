//! Metadata of a cluster: brokers, topics, leaders. It is a snapshot from the time of the answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::messages::MetadataResponse;
use state::model::KafkaUuid;

use crate::net::HostPort;
use crate::wire::protocol::error_code::ErrorCode;

/// Metadata of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Its advertised address.
    pub address: HostPort,
    /// Its rack; `None` if it has none.
    pub rack: Option<String>,
}

/// Metadata of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The partition index.
    pub index: i32,
    /// Broker id of the leader; -1 for none.
    pub leader: i32,
    /// Leader epoch; -1 if the broker does not say.
    pub leader_epoch: i32,
    /// Broker ids of all replicas.
    pub replicas: Vec<i32>,
    /// Broker ids of the in-sync replicas.
    pub isr: Vec<i32>,
    /// Error of the partition; 0 for none.
    pub error_code: ErrorCode,
}

/// Metadata of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// The topic id; zero if the broker does not say.
    pub id: KafkaUuid,
    /// Error of the topic; 0 for none, 3 if there is no such topic.
    pub error_code: ErrorCode,
    /// True if it is one of Kafka's internal topics.
    pub internal: bool,
    /// The partitions, ordered by index.
    pub partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    /// Returns the partition with this index.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&PartitionMetadata> {
        let at = self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()?;
        self.partitions.get(at)
    }

    /// Returns this topic with those leaders of `other` that have higher epochs; `None` if there are none.
    fn with_newer_leaders_of(&self, other: &TopicMetadata) -> Option<TopicMetadata> {
        let is_newer = |mine: &PartitionMetadata| {
            other.partition(mine.index).filter(|theirs| theirs.leader_epoch > mine.leader_epoch)
        };
        // An unknown epoch cannot be compared.
        let is_older = |mine: &&PartitionMetadata| mine.leader_epoch >= 0 && is_newer(mine).is_some();
        self.partitions.iter().find(is_older)?;
        let newest = |mine: &PartitionMetadata| match is_newer(mine) {
            Some(theirs) if mine.leader_epoch >= 0 => theirs.clone(),
            _ => mine.clone(),
        };
        Some(TopicMetadata { partitions: self.partitions.iter().map(newest).collect(), ..self.clone() })
    }

    /// Combines the answers of two brokers about one topic: all partitions that either knows, each with the
    /// highest leader epoch.
    pub(crate) fn joined(&self, other: &TopicMetadata) -> TopicMetadata {
        let mut joined = self.with_newer_leaders_of(other).unwrap_or_else(|| self.clone());
        joined
            .partitions
            .extend(other.partitions.iter().filter(|theirs| self.partition(theirs.index).is_none()).cloned());
        joined.partitions.sort_by_key(|partition| partition.index);
        joined
    }
}

/// Metadata of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// The cluster id; empty if the broker does not say.
    pub cluster_id: String,
    /// Id of the controller, or with KRaft of any broker that forwards requests to it; -1 for unknown.
    pub controller_id: i32,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, BrokerMetadata>,
    /// Topics by name: all of them, or those that were asked for. Later snapshots share the topics that have
    /// not changed.
    pub topics: HashMap<String, Arc<TopicMetadata>>,
}

impl ClusterMetadata {
    /// Returns a topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        Some(self.topics.get(name)?)
    }

    /// Returns a partition of a topic.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionMetadata> {
        self.topic(topic)?.partition(partition)
    }

    pub(crate) fn of(response: MetadataResponse) -> Self {
        let brokers = response.brokers.into_iter().map(|broker| {
            let port = u16::try_from(broker.port).unwrap_or(0);
            let rack = broker.rack.map(|rack| rack.to_string());
            (broker.node_id.0, BrokerMetadata { address: HostPort::new(broker.host.as_str(), port), rack })
        });
        let topics = response.topics.into_iter().filter_map(|topic| {
            let mut partitions: Vec<_> = topic
                .partitions
                .into_iter()
                .map(|partition| PartitionMetadata {
                    index: partition.partition_index,
                    leader: partition.leader_id.0,
                    leader_epoch: partition.leader_epoch,
                    replicas: partition.replica_nodes.into_iter().map(i32::from).collect(),
                    isr: partition.isr_nodes.into_iter().map(i32::from).collect(),
                    error_code: ErrorCode(partition.error_code),
                })
                .collect();
            partitions.sort_by_key(|partition| partition.index);
            let metadata = TopicMetadata {
                id: KafkaUuid(topic.topic_id),
                error_code: ErrorCode(topic.error_code),
                internal: topic.is_internal,
                partitions,
            };
            Some((topic.name?.to_string(), Arc::new(metadata)))
        });
        ClusterMetadata {
            cluster_id: response.cluster_id.map(|id| id.to_string()).unwrap_or_default(),
            controller_id: response.controller_id.0,
            brokers: brokers.collect(),
            topics: topics.collect(),
        }
    }

    /// Returns this answer, but keeps the leaders of an earlier answer that have higher epochs in the same
    /// topic. A broker that is cut off from its controller answers with what it knew (Kafka's
    /// `Metadata.updateLatestMetadata`). A topic that was created again starts with new epochs, so its
    /// earlier leaders are ignored.
    pub(crate) fn with_newer_leaders_of(mut self, earlier: &ClusterMetadata) -> Self {
        for (name, topic) in &mut self.topics {
            if let Some(before) = earlier.topics.get(name).filter(|before| before.id == topic.id)
                && let Some(newest) = topic.with_newer_leaders_of(before)
            {
                *topic = Arc::new(newest);
            }
        }
        self
    }

    /// Returns this snapshot updated by a later answer about some topics. Removes topics that no longer
    /// exist.
    pub(crate) fn merged(&self, later: &ClusterMetadata) -> Self {
        let mut topics = self.topics.clone();
        for (name, topic) in &later.topics {
            if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                let _ = topics.remove(name);
            } else {
                let _ = topics.insert(name.clone(), Arc::clone(topic));
            }
        }
        ClusterMetadata { topics, ..later.clone_without_topics() }
    }

    fn clone_without_topics(&self) -> Self {
        ClusterMetadata {
            cluster_id: self.cluster_id.clone(),
            controller_id: self.controller_id,
            brokers: self.brokers.clone(),
            topics: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: u128, error_code: ErrorCode) -> Arc<TopicMetadata> {
        let id = KafkaUuid(uuid::Uuid::from_u128(id));
        Arc::new(TopicMetadata { id, error_code, internal: false, partitions: vec![] })
    }

    /// Makes topic `t` with this id. Its partitions have these leaders and epochs.
    fn led(id: u128, leaders: &[(i32, i32)]) -> ClusterMetadata {
        let partition = |(index, (leader, leader_epoch)): (i32, &(i32, i32))| PartitionMetadata {
            index,
            leader: *leader,
            leader_epoch: *leader_epoch,
            replicas: vec![1, 2],
            isr: vec![*leader],
            error_code: ErrorCode::NONE,
        };
        let partitions = (0..).zip(leaders).map(partition).collect();
        let topic = TopicMetadata { partitions, ..(*topic(id, ErrorCode::NONE)).clone() };
        ClusterMetadata { topics: [("t".to_owned(), Arc::new(topic))].into(), ..ClusterMetadata::default() }
    }

    fn leaders(metadata: &ClusterMetadata) -> Vec<(i32, i32)> {
        metadata.topics["t"].partitions.iter().map(|led| (led.leader, led.leader_epoch)).collect()
    }

    #[test]
    fn a_leader_of_an_older_epoch_is_ignored() {
        let known = led(7, &[(2, 5), (1, 3)]);
        // A broker that is cut off tells old leaders of partition 0, and newer ones of partition 1.
        let told = led(7, &[(1, 4), (2, 4)]).with_newer_leaders_of(&known);
        assert_eq!(leaders(&told), [(2, 5), (2, 4)]);
        // An unknown epoch cannot be compared. An equal epoch may bring another ISR.
        assert_eq!(leaders(&led(7, &[(1, -1), (-1, 3)]).with_newer_leaders_of(&known)), [(1, -1), (-1, 3)]);
        // A topic that was created again starts at epoch 0.
        assert_eq!(leaders(&led(8, &[(1, 0), (1, 0)]).with_newer_leaders_of(&known)), [(1, 0), (1, 0)]);
    }

    #[test]
    fn joined_answers_have_all_partitions_and_the_newest_leaders() {
        let (old, new) = (led(7, &[(1, 4)]), led(7, &[(2, 5), (3, 0)]));
        for (a, b) in [(&old, &new), (&new, &old)] {
            let joined = a.topics["t"].joined(&b.topics["t"]);
            let leaders: Vec<_> =
                joined.partitions.iter().map(|led| (led.leader, led.leader_epoch)).collect();
            assert_eq!(leaders, [(2, 5), (3, 0)]);
        }
    }

    #[test]
    fn a_later_answer_replaces_only_the_topics_it_holds() {
        let none = ErrorCode::NONE;
        let first = ClusterMetadata {
            controller_id: 1,
            topics: [("a", 1), ("b", 2), ("c", 3)]
                .map(|(name, id)| (name.to_owned(), topic(id, none)))
                .into(),
            ..ClusterMetadata::default()
        };
        let later = ClusterMetadata {
            controller_id: 2,
            topics: [
                ("b".to_owned(), topic(9, none)),
                ("c".to_owned(), topic(0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
            ]
            .into(),
            ..ClusterMetadata::default()
        };
        let merged = first.merged(&later);
        assert_eq!(merged.controller_id, 2);
        assert_eq!(merged.topics.len(), 2);
        assert_eq!(merged.topics["a"], topic(1, none));
        assert_eq!(merged.topics["b"], topic(9, none));
    }
}
