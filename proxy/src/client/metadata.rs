//! What a cluster says of itself: brokers, topics, leaders. A snapshot, true when it was answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::messages::MetadataResponse;
use state::model::KafkaUuid;

use crate::net::HostPort;
use crate::wire::error_code::ErrorCode;

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Its advertised address.
    pub address: HostPort,
    /// Its rack, where it has one.
    pub rack: Option<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its index.
    pub index: i32,
    /// Broker id of its leader; -1 for none.
    pub leader: i32,
    /// Epoch of that leader; -1 when the broker does not say.
    pub leader_epoch: i32,
    /// Broker ids of all replicas.
    pub replicas: Vec<i32>,
    /// Broker ids of the replicas in sync.
    pub isr: Vec<i32>,
    /// What is wrong with it; 0 for nothing.
    pub error_code: ErrorCode,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its id; zero when the broker does not say.
    pub id: KafkaUuid,
    /// What is wrong with it; 0 for nothing, 3 when there is no such topic.
    pub error_code: ErrorCode,
    /// Whether it is one of Kafka's own.
    pub internal: bool,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    /// The partition with this index.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&PartitionMetadata> {
        let at = self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()?;
        self.partitions.get(at)
    }

    /// This topic with those leaders of `other` whose epochs are higher; `None` when there are none.
    fn with_newer_leaders_of(&self, other: &TopicMetadata) -> Option<TopicMetadata> {
        let is_newer = |mine: &PartitionMetadata| {
            other.partition(mine.index).filter(|theirs| theirs.leader_epoch > mine.leader_epoch)
        };
        // An epoch that is not told cannot be compared.
        let is_older = |mine: &&PartitionMetadata| mine.leader_epoch >= 0 && is_newer(mine).is_some();
        self.partitions.iter().find(is_older)?;
        let newest = |mine: &PartitionMetadata| match is_newer(mine) {
            Some(theirs) if mine.leader_epoch >= 0 => theirs.clone(),
            _ => mine.clone(),
        };
        Some(TopicMetadata { partitions: self.partitions.iter().map(newest).collect(), ..self.clone() })
    }

    /// What several brokers say of one topic as one: all partitions that any of them knows, each by the highest leader
    /// epoch.
    pub(crate) fn joined(&self, other: &TopicMetadata) -> TopicMetadata {
        let mut joined = self.with_newer_leaders_of(other).unwrap_or_else(|| self.clone());
        joined
            .partitions
            .extend(other.partitions.iter().filter(|theirs| self.partition(theirs.index).is_none()).cloned());
        joined.partitions.sort_by_key(|partition| partition.index);
        joined
    }
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// Its id; empty when the broker does not say.
    pub cluster_id: String,
    /// The controller, or with KRaft any broker that passes requests on to it; -1 for unknown.
    pub controller_id: i32,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, BrokerMetadata>,
    /// Topics by name: all, or those asked for. Later snapshots share what they do not change.
    pub topics: HashMap<String, Arc<TopicMetadata>>,
}

impl ClusterMetadata {
    /// A topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        Some(self.topics.get(name)?)
    }

    /// A partition of a topic.
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

    /// This answer, but where an earlier one named a later leader epoch of a partition of the same topic, that stands:
    /// a broker that is cut off from its controller goes on telling what it knew (Kafka's
    /// `Metadata.updateLatestMetadata`). The epochs of a topic that was created anew begin anew.
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

    /// This snapshot with what a later one says of some topics; topics that are gone go.
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

    /// Topic `t` with this id whose partitions have these leaders and epochs.
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
    fn a_leader_of_an_older_epoch_is_not_believed_again() {
        let known = led(7, &[(2, 5), (1, 3)]);
        // A broker that is cut off tells what was; of partition 1 it knows something newer.
        let told = led(7, &[(1, 4), (2, 4)]).with_newer_leaders_of(&known);
        assert_eq!(leaders(&told), [(2, 5), (2, 4)]);
        // Where no epoch is told nothing can be compared, and the same epoch may bring another ISR.
        assert_eq!(leaders(&led(7, &[(1, -1), (-1, 3)]).with_newer_leaders_of(&known)), [(1, -1), (-1, 3)]);
        // A topic that was created anew begins at epoch 0.
        assert_eq!(leaders(&led(8, &[(1, 0), (1, 0)]).with_newer_leaders_of(&known)), [(1, 0), (1, 0)]);
    }

    #[test]
    fn brokers_together_know_all_partitions_and_the_newest_leaders() {
        let (old, new) = (led(7, &[(1, 4)]), led(7, &[(2, 5), (3, 0)]));
        for (a, b) in [(&old, &new), (&new, &old)] {
            let joined = a.topics["t"].joined(&b.topics["t"]);
            let leaders: Vec<_> =
                joined.partitions.iter().map(|led| (led.leader, led.leader_epoch)).collect();
            assert_eq!(leaders, [(2, 5), (3, 0)]);
        }
    }

    #[test]
    fn a_later_answer_replaces_what_it_speaks_of_and_nothing_else() {
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
