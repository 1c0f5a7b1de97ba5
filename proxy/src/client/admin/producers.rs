//! Which producers a partition's leader remembers, and their last sequences.

use kafka_protocol::messages::DescribeProducersRequest;
use kafka_protocol::messages::describe_producers_request::TopicRequest;

use super::super::cluster::{Cluster, topic_name};
use super::super::error::ClientError;
use crate::wire::error_code::ErrorCode;

/// One producer as the leader of a partition knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// Sequence of the last record it appended; -1 for none.
    pub last_sequence: i32,
    /// Timestamp of its last batch, in ms; -1 for none.
    pub last_timestamp: i64,
    /// First offset of its open transaction; `None` when there is none.
    pub current_txn_start_offset: Option<i64>,
}

impl Cluster {
    /// The producers that the leader of a partition knows.
    ///
    /// # Errors
    /// The broker's code and words, or why none could be asked.
    pub async fn describe_producers(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Vec<ProducerState>, ClientError> {
        let api = format!("DescribeProducers {topic}-{partition}");
        let wanted =
            TopicRequest::default().with_name(topic_name(topic)).with_partition_indexes(vec![partition]);
        let request = DescribeProducersRequest::default().with_topics(vec![wanted]);
        self.retrying(Some(topic), || async {
            let led = self.partition(topic, partition).await?;
            let leader = self.broker(led.leader).await?;
            let response = leader.call_at_most(request.clone(), 0).await?;
            let found = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let Some(found) = found else {
                return Err(leader.misfit(&api, "the response names no partition".into()));
            };
            ErrorCode(found.error_code).ok().map_err(|code| {
                leader.answered(&api, code, found.error_message.as_deref().unwrap_or_default())
            })?;
            let producers = found.active_producers.into_iter().map(|producer| ProducerState {
                producer_id: producer.producer_id.0,
                producer_epoch: producer.producer_epoch,
                last_sequence: producer.last_sequence,
                last_timestamp: producer.last_timestamp,
                current_txn_start_offset: Some(producer.current_txn_start_offset).filter(|at| *at >= 0),
            });
            Ok(producers.collect())
        })
        .await
    }
}
