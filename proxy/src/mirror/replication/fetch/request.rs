//! Fetch requests, as far as sessions and single ranges have them in common.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::mirror::replication::partition::Partition;

/// Highest Fetch version used; from version 13 on, topics are named by id.
pub(crate) const MAX_FETCH_VERSION: i16 = 17;
/// First version that names topics by id (KIP-516).
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// First version that has no plain replica id field (KIP-903).
const FIRST_VERSION_WITHOUT_REPLICA_ID: i16 = 15;
/// Session epoch of a request outside of any session (`FetchMetadata.FINAL_EPOCH`).
const NO_SESSION: i32 = -1;

/// A topic as it is named on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Id(Uuid),
    Name(StrBytes),
}

impl TopicKey {
    /// Returns the name of the partition's source topic in requests of this version.
    pub(crate) fn of(partition: &Partition, version: i16) -> TopicKey {
        if version >= FIRST_VERSION_WITH_IDS {
            TopicKey::Id(partition.id.source_topic_id.0)
        } else {
            TopicKey::Name(StrBytes::from_string(partition.id.source_topic.clone()))
        }
    }

    /// Returns the entry of the topic in a request.
    pub(crate) fn with(self, partitions: Vec<FetchPartition>) -> FetchTopic {
        let topic = FetchTopic::default().with_partitions(partitions);
        match self {
            TopicKey::Id(id) => topic.with_topic_id(id),
            TopicKey::Name(name) => topic.with_topic(TopicName(name)),
        }
    }
}

/// Returns a request without partitions, which reads committed records.
pub(crate) fn read_committed(version: i16) -> FetchRequest {
    let mut request = FetchRequest::default().with_isolation_level(1);
    if version < FIRST_VERSION_WITHOUT_REPLICA_ID {
        request.replica_id = BrokerId(-1);
    }
    request
}

/// Returns a request for records of one partition from `offset` on, outside of any session. The source answers
/// at once.
pub(crate) fn of_one(partition: &Partition, offset: i64, max_bytes: usize, version: i16) -> FetchRequest {
    let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
    let fetch = FetchPartition::default()
        .with_partition(partition.id.index)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(partition.source_leader().1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(max_bytes);
    read_committed(version)
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_session_epoch(NO_SESSION)
        .with_topics(vec![TopicKey::of(partition, version).with(vec![fetch])])
}
