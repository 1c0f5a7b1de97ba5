//! Reads the producer states of a partition from its leader (DescribeProducers).

use crate::client::types::ProducerState;
use std::collections::HashMap;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, describe_producers_response};

use crate::client::admin::by_topic;
use crate::client::cluster::Cluster;
use crate::client::cluster::batcher::AnswersByPartition;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::client::types::TopicPartition;
use crate::wire::protocol::error_code::ErrorCode;

impl Cluster {
    /// Returns the states of all producers that the leader of a partition knows. Concurrent lookups at the
    /// same leader share a request.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
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

/// Asks one leader about all of these partitions.
async fn ask_leader(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, ())>,
) -> AnswersByPartition<Vec<ProducerState>> {
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
