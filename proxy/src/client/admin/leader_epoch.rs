//! Looks up the end offsets of leader epochs (OffsetForLeaderEpoch), and with them the log end offset.

use crate::client::types::EpochEnd;
use std::collections::HashMap;

use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest};

use crate::client::admin::by_topic;
use crate::client::cluster::Cluster;
use crate::client::cluster::batcher::AnswersByPartition;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::client::types::TopicPartition;
use crate::wire::protocol::error_code::ErrorCode;

impl Cluster {
    /// Looks up the end offset of `leader_epoch` in the log of the partition leader. `None` stands for the
    /// leader's own epoch.
    ///
    /// For its own epoch a leader answers with its log end offset instead of its high watermark
    /// (`LeaderEpochFileCache.endOffsetFor`). So records that are not replicated yet count. Concurrent
    /// lookups at the same leader share a request.
    ///
    /// # Errors
    /// Returns the broker's error code, or the reason why no broker could be asked.
    pub async fn end_offset_for_epoch(
        &self,
        topic: &str,
        partition: i32,
        leader_epoch: Option<i32>,
    ) -> Result<EpochEnd, ClientError> {
        let api = format!("OffsetForLeaderEpoch {topic}-{partition}");
        self.retrying(Some(topic), || async {
            let led = self.partition(topic, partition).await?;
            let epochs = (led.leader_epoch, leader_epoch.unwrap_or(led.leader_epoch));
            let at = (topic.to_owned(), partition);
            let asked =
                self.gathered().epoch_ends.ask(led.leader, at, epochs, || self.asking(ask_leader)).await;
            asked.unwrap_or_else(|| Err(self.unanswered(led.leader, &api)))
        })
        .await
    }
}

/// Asks one leader about all of these partitions. Each comes with its known current leader epoch and the
/// epoch whose end offset is wanted.
async fn ask_leader(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, (i32, i32))>,
) -> AnswersByPartition<EpochEnd> {
    let current: HashMap<TopicPartition, i32> =
        wanted.iter().map(|(at, (current, _))| (at.clone(), *current)).collect();
    let topics = by_topic(wanted, |partition, (current, asked)| {
        OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current)
            .with_leader_epoch(asked)
    });
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetForLeaderTopic::default().with_topic(topic_name(&topic)).with_partitions(partitions)
    });
    let request =
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect());
    let broker = cluster.broker(leader).await?;
    let response = broker.call_at_most(request, 4).await?;
    let mut answers = HashMap::new();
    for topic in response.topics {
        for found in topic.partitions {
            let at = (topic.topic.to_string(), found.partition);
            let answer = match ErrorCode(found.error_code).ok() {
                Ok(()) => Ok(EpochEnd {
                    leader_epoch: found.leader_epoch,
                    end_offset: found.end_offset,
                    current_leader_epoch: current.get(&at).copied().unwrap_or(-1),
                }),
                Err(code) => {
                    Err(broker.answered(&format!("OffsetForLeaderEpoch {}-{}", at.0, at.1), code, ""))
                }
            };
            let _ = answers.insert(at, answer);
        }
    }
    Ok(answers)
}
