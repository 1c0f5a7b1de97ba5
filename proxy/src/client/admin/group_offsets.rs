//! Committed offsets of a group: reads them, and commits them as an administrator.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};
use kafka_protocol::protocol::StrBytes;

use crate::client::admin::groups::group_id;
use crate::client::cluster::Cluster;
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::client::types::TopicPartition;
use crate::wire::protocol::error_code::ErrorCode;

/// A committed offset from the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Offset of the next record to read.
    pub offset: i64,
    /// Leader epoch of the last record read; -1 for none.
    pub leader_epoch: i32,
    /// Free text of the committing client.
    pub metadata: String,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Offset of the next record to read.
    pub offset: i64,
    /// Free text of the committing client.
    pub metadata: String,
}

type FetchedOffsets = BTreeMap<TopicPartition, Result<CommittedOffset, ClientError>>;

impl Cluster {
    /// Reads the committed offsets of a group: all of them, or those of `topics`. Partitions without a
    /// committed offset are left out. Asks for stable offsets: a partition with pending offsets of a
    /// transaction gets the error UNSTABLE_OFFSET_COMMIT (88).
    ///
    /// # Errors
    /// Returns the broker's error code, or the reason why no broker could be asked. An unknown group is not
    /// an error: it has no offsets.
    pub async fn fetch_group_offsets(
        &self,
        group: &str,
        topics: Option<&BTreeMap<String, Vec<i32>>>,
    ) -> Result<BTreeMap<TopicPartition, Result<CommittedOffset, ClientError>>, ClientError> {
        self.with_coordinator(group, |coordinator| async move {
            let grouped = coordinator.version_of::<OffsetFetchRequest>(9)? >= 8;
            let request = OffsetFetchRequest::default().with_require_stable(true);
            let request = if grouped {
                request.with_groups(vec![of_group(group, topics)])
            } else {
                flat(request, group, topics)
            };
            let response = coordinator.call_at_most(request, 9).await?;
            fetched(&coordinator, group, response)
        })
        .await
    }

    /// Commits offsets of a group as an administrator, without a generation and without a leader epoch. The
    /// coordinator allows that only while the group has no members (else UNKNOWN_MEMBER_ID). The result has
    /// an entry for each partition of the response.
    ///
    /// # Errors
    /// Fails if the coordinator could not be asked.
    pub async fn commit_group_offsets(
        &self,
        group: &str,
        offsets: &[GroupOffset],
    ) -> Result<BTreeMap<TopicPartition, Result<(), ClientError>>, ClientError> {
        if offsets.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for given in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(given.partition)
                .with_committed_offset(given.offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(StrBytes::from_string(given.metadata.clone())));
            topics.entry(&given.topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics.collect());
        self.with_coordinator(group, |coordinator| {
            let request = request.clone();
            async move {
                let response = coordinator.call_at_most(request, 9).await?;
                let mut outcomes = BTreeMap::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let key = (topic.name.to_string(), partition.partition_index);
                        let api = format!("OffsetCommit '{group}' {}-{}", key.0, key.1);
                        let code = ErrorCode(partition.error_code);
                        let outcome = code.ok().map_err(|code| coordinator.answered(&api, code, ""));
                        // The coordinator has moved, which concerns all partitions.
                        match outcome {
                            Err(error) if is_coordinator_error(code) => return Err(error),
                            outcome => drop(outcomes.insert(key, outcome)),
                        }
                    }
                }
                Ok(outcomes)
            }
        })
        .await
    }
}

fn is_coordinator_error(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
    )
}

/// Builds the request form of version 8 and later.
fn of_group(group: &str, topics: Option<&BTreeMap<String, Vec<i32>>>) -> OffsetFetchRequestGroup {
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): (&String, &Vec<i32>)| {
            OffsetFetchRequestTopics::default()
                .with_name(topic_name(name))
                .with_partition_indexes(partitions.clone())
        };
        topics.iter().map(topic).collect()
    });
    OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(topics)
}

/// Builds the request form before version 8.
fn flat(
    request: OffsetFetchRequest,
    group: &str,
    topics: Option<&BTreeMap<String, Vec<i32>>>,
) -> OffsetFetchRequest {
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): (&String, &Vec<i32>)| {
            OffsetFetchRequestTopic::default()
                .with_name(topic_name(name))
                .with_partition_indexes(partitions.clone())
        };
        topics.iter().map(topic).collect()
    });
    request.with_group_id(group_id(group)).with_topics(topics)
}

fn fetched(
    coordinator: &Connection,
    group: &str,
    response: OffsetFetchResponse,
) -> Result<FetchedOffsets, ClientError> {
    let of_group = |code: i16| {
        let api = format!("OffsetFetch '{group}'");
        match ErrorCode(code) {
            // An unknown group counts as a group without offsets.
            ErrorCode::NONE | ErrorCode::GROUP_ID_NOT_FOUND => Ok(()),
            code => Err(coordinator.answered(&api, code, "")),
        }
    };
    of_group(response.error_code)?;
    let mut found = FetchedOffsets::new();
    let mut put = |topic: &str, partition: i32, code: i16, committed: CommittedOffset| {
        let key = (topic.to_owned(), partition);
        let api = format!("OffsetFetch '{group}' {topic}-{partition}");
        match ErrorCode(code).ok() {
            Ok(()) if committed.offset < 0 => {}
            Ok(()) => drop(found.insert(key, Ok(committed))),
            Err(code) => drop(found.insert(key, Err(coordinator.answered(&api, code, "")))),
        }
    };
    let committed = |offset, leader_epoch, metadata: Option<StrBytes>| CommittedOffset {
        offset,
        leader_epoch,
        metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
    };
    for topic in response.topics {
        for p in topic.partitions {
            let value = committed(p.committed_offset, p.committed_leader_epoch, p.metadata);
            put(topic.name.as_str(), p.partition_index, p.error_code, value);
        }
    }
    for answer in response.groups {
        of_group(answer.error_code)?;
        for topic in answer.topics {
            for p in topic.partitions {
                let value = committed(p.committed_offset, p.committed_leader_epoch, p.metadata);
                put(topic.name.as_str(), p.partition_index, p.error_code, value);
            }
        }
    }
    Ok(found)
}
