//! Lists consumer groups of a cluster, and reads and commits their offsets, for the offset sync.

use std::collections::BTreeMap;

use crate::client::admin::GroupOffset;
use crate::client::{ClientError, Cluster};
use crate::mirror::sync::offsets::plan::{Committed, Offsets, TopicPartition};
use crate::wire::protocol::error_code::ErrorCode;

/// A consumer group of either protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Group id.
    pub name: String,
    /// True if the group has members. Then the broker accepts no commits from others.
    pub in_use: bool,
}

/// Lists the consumer groups of a cluster: those of the classic protocol and of KIP-848.
///
/// # Errors
/// Fails if a broker could not be asked.
pub(crate) async fn list(cluster: &Cluster) -> Result<Vec<Group>, ClientError> {
    let groups = cluster.list_groups().await?;
    // Brokers before ListGroups v5 return no type: all their groups are classic.
    let is_consumer = |kind: &str| matches!(kind, "" | "classic" | "consumer");
    Ok(groups
        .into_iter()
        .filter(|group| is_consumer(&group.group_type.to_ascii_lowercase()))
        .map(|group| Group { in_use: has_members(&group.state), name: group.group_id })
        .collect())
}

/// Lists the groups of the Streams protocol (KIP-1071). Their offsets are not synced: a commit to a group
/// that does not exist creates a simple group, which a Streams application takes over at the destination.
/// Brokers 4.1 and some later ones then fail to load the coordinator
/// (`GroupMetadataManager.getOrMaybeCreatePersistedStreamsGroup` finds a group of another type).
///
/// # Errors
/// Fails if a broker could not be asked.
pub(crate) async fn streams(cluster: &Cluster) -> Result<Vec<String>, ClientError> {
    let groups = cluster.list_groups().await?;
    let of_streams = groups.into_iter().filter(|group| group.group_type.eq_ignore_ascii_case("streams"));
    Ok(of_streams.map(|group| group.group_id).collect())
}

/// Returns true if a group in this state has members. An empty state (brokers before ListGroups v4) tells
/// nothing: then only the commit shows it.
fn has_members(state: &str) -> bool {
    !matches!(state, "" | "Empty" | "Dead")
}

/// Committed positions of a group in some topics.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    /// Positions that are stable.
    pub offsets: Offsets,
    /// Partitions whose position depends on an open transaction, each with the coordinator's error.
    pub unstable: BTreeMap<TopicPartition, ClientError>,
    /// Partitions whose position the coordinator refuses to return.
    pub refused: BTreeMap<TopicPartition, ClientError>,
}

/// Returns the committed positions of a group in these topics (name and number of partitions). An error of
/// one partition does not affect the others.
///
/// # Errors
/// Fails if the group could not be read.
pub(crate) async fn committed(
    cluster: &Cluster,
    group: &str,
    topics: &[(String, u32)],
) -> Result<Positions, ClientError> {
    let asked: BTreeMap<String, Vec<i32>> = topics
        .iter()
        .map(|(topic, partitions)| (topic.clone(), (0..i32::try_from(*partitions).unwrap_or(0)).collect()))
        .collect();
    let mut positions = Positions::default();
    for (at, found) in cluster.fetch_group_offsets(group, Some(&asked)).await? {
        match found {
            Ok(found) => {
                let committed = Committed { offset: found.offset, metadata: found.metadata };
                let _ = positions.offsets.insert(at, committed);
            }
            Err(error) if error.code() == Some(ErrorCode::UNSTABLE_OFFSET_COMMIT) => {
                let _ = positions.unstable.insert(at, error);
            }
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Err(error) => {
                let _ = positions.refused.insert(at, error);
            }
        }
    }
    Ok(positions)
}

/// Commits positions of a group that has no members, without a leader epoch. Returns the refused ones; the
/// rest is committed.
///
/// # Errors
/// Fails if the coordinator could not be asked.
pub(crate) async fn commit(
    cluster: &Cluster,
    group: &str,
    offsets: &Offsets,
) -> Result<BTreeMap<TopicPartition, ClientError>, ClientError> {
    let commits: Vec<GroupOffset> = offsets
        .iter()
        .map(|((topic, partition), committed)| GroupOffset {
            topic: topic.clone(),
            partition: *partition,
            offset: committed.offset,
            metadata: committed.metadata.clone(),
        })
        .collect();
    let outcomes = cluster.commit_group_offsets(group, &commits).await?;
    Ok(outcomes.into_iter().filter_map(|(at, outcome)| Some((at, outcome.err()?))).collect())
}

/// Returns true if a commit was refused because the group has members.
#[must_use]
pub(crate) fn is_in_use(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::UNKNOWN_MEMBER_ID
                | ErrorCode::ILLEGAL_GENERATION
                | ErrorCode::REBALANCE_IN_PROGRESS
                | ErrorCode::STALE_MEMBER_EPOCH
        )
    )
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::list_groups_response::ListedGroup;
    use kafka_protocol::messages::{ApiKey, GroupId, ListGroupsResponse};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::client::test_support::{Scripted, encoded};

    #[tokio::test]
    async fn groups_of_the_streams_protocol_are_listed_separately() {
        let scripted = Scripted::start(1, |asked| {
            let group = |name: &'static str, kind: &'static str| {
                ListedGroup::default()
                    .with_group_id(GroupId(StrBytes::from_static_str(name)))
                    .with_group_type(StrBytes::from_static_str(kind))
            };
            let groups = [("a", "classic"), ("b", "consumer"), ("c", "streams"), ("d", "share")];
            let groups = groups.map(|(name, kind)| group(name, kind)).into();
            (asked.api == ApiKey::ListGroups)
                .then(|| encoded(&ListGroupsResponse::default().with_groups(groups), asked.version))
        })
        .await;
        let synced = list(&scripted.cluster).await.unwrap();
        assert_eq!(synced.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(streams(&scripted.cluster).await.unwrap(), ["c"]);
    }

    #[test]
    fn only_groups_with_members_are_in_use() {
        for state in ["Stable", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling"] {
            assert!(has_members(state), "{state}");
        }
        for state in ["Empty", "Dead", ""] {
            assert!(!has_members(state), "{state}");
        }
    }
}
