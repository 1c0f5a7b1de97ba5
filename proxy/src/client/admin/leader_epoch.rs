//! Where leader epochs end, and with that where a log really ends.

use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest};

use super::super::cluster::{Cluster, topic_name};
use super::super::error::ClientError;
use crate::wire::error_code::ErrorCode;

/// The answer to [`Cluster::end_offset_for_epoch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch up to the one asked for that the leader's log has; -1 when it has none.
    pub leader_epoch: i32,
    /// Offset after the last one of that epoch; -1 when there is none.
    pub end_offset: i64,
    /// The epoch of the leader that answered.
    pub current_leader_epoch: i32,
}

impl Cluster {
    /// Where `leader_epoch` ends in the log of the partition's leader; `None` asks for the leader's own epoch.
    ///
    /// For its own epoch a leader answers with its log end offset, not its high watermark (`LeaderEpochFileCache`
    /// `.endOffsetFor`): records that are not replicated yet count.
    ///
    /// # Errors
    /// The broker's code, or why none could be asked.
    pub async fn end_offset_for_epoch(
        &self,
        topic: &str,
        partition: i32,
        leader_epoch: Option<i32>,
    ) -> Result<EpochEnd, ClientError> {
        let api = format!("OffsetForLeaderEpoch {topic}-{partition}");
        self.retrying(Some(topic), || async {
            let led = self.partition(topic, partition).await?;
            let wanted = OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(led.leader_epoch)
                .with_leader_epoch(leader_epoch.unwrap_or(led.leader_epoch));
            let wanted =
                OffsetForLeaderTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
            let request = OffsetForLeaderEpochRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(vec![wanted]);
            let leader = self.broker(led.leader).await?;
            let response = leader.call_at_most(request, 4).await?;
            let found = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let Some(found) = found else {
                return Err(leader.misfit(&api, "the response names no partition".into()));
            };
            ErrorCode(found.error_code).ok().map_err(|code| leader.answered(&api, code, ""))?;
            Ok(EpochEnd {
                leader_epoch: found.leader_epoch,
                end_offset: found.end_offset,
                current_leader_epoch: led.leader_epoch,
            })
        })
        .await
    }
}
