//! Which producers a partition's leader remembers, and their last sequences.

use std::collections::HashMap;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, describe_producers_response};

use super::super::cluster::{Cluster, topic_name};
use super::super::error::ClientError;
use super::super::gather::Answers;
use super::{TopicPartition, by_topic};
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
        self.retrying(Some(topic), || async {
            let led = self.partition(topic, partition).await?;
            let at = (topic.to_owned(), partition);
            let asked = self.gathered().producers.ask(led.leader, at, (), || self.asking(ask_leader)).await;
            asked.unwrap_or_else(|| Err(self.unanswered(led.leader, &api)))
        })
        .await
    }
}

/// Asks one leader for all of these.
async fn ask_leader(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, ())>,
) -> Answers<Vec<ProducerState>> {
    let topics = by_topic(wanted, |partition, ()| partition).into_iter().map(|(topic, partitions)| {
        TopicRequest::default().with_name(topic_name(&topic)).with_partition_indexes(partitions)
    });
    let request = DescribeProducersRequest::default().with_topics(topics.collect());
    let broker = cluster.broker(leader).await?;
    let response = broker.call_at_most(request, 0).await?;
    let mut answers = HashMap::new();
    for topic in response.topics {
        for found in topic.partitions {
            let at = (topic.name.to_string(), found.partition_index);
            let answer = match ErrorCode(found.error_code).ok() {
                Ok(()) => Ok(found.active_producers.into_iter().map(state).collect()),
                Err(code) => {
                    let text = found.error_message.as_deref().unwrap_or_default();
                    Err(broker.answered(&format!("DescribeProducers {}-{}", at.0, at.1), code, text))
                }
            };
            let _ = answers.insert(at, answer);
        }
    }
    Ok(answers)
}

fn state(producer: describe_producers_response::ProducerState) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id.0,
        producer_epoch: producer.producer_epoch,
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        current_txn_start_offset: Some(producer.current_txn_start_offset).filter(|at| *at >= 0),
    }
}
