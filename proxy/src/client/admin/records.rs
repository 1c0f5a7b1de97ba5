//! Reads the records at one offset of a log, uncommitted ones included.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest};

use crate::client::admin::by_topic;
use crate::client::cluster::Cluster;
use crate::client::cluster::batcher::AnswersByPartition;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::client::types::TopicPartition;
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::records::walk::walk;

/// Maximum bytes for a partition in a request of its own. The broker sends one whole batch even if it is
/// larger.
const ALONE_BYTES: i32 = 64 * 1024;
/// Maximum bytes for a partition in a request for several partitions. A larger batch arrives truncated.
const AMONG_OTHERS_BYTES: i32 = 32 * 1024;
/// Maximum bytes of a response for several partitions. The last partitions may come out empty.
const ANSWER_BYTES: i32 = 16 * 1024 * 1024;

impl Cluster {
    /// Reads records, beginning with the batch that holds `offset`, or with the next batch. They are empty if
    /// `offset` is above the high watermark. Returns `None` if `offset` is out of the log's range. Concurrent
    /// reads at the same leader share a request.
    ///
    /// # Errors
    /// Returns the leader's error code, or the reason why the leader could not be asked.
    pub async fn records_at(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<Bytes>, ClientError> {
        let led = self.partition(topic, partition).await?;
        let at = (topic.to_owned(), partition);
        let asked = self.gathered().records.ask(led.leader, at.clone(), offset, || self.asking(ask_many));
        match asked.await {
            Some(Ok(Some(records))) if reaches(&records, offset) => return Ok(Some(records)),
            // The response had no room for a whole batch of this partition, so the partition is asked about
            // alone.
            Some(Ok(Some(_))) | None => {}
            Some(answer) => return answer,
        }
        let alone = fetch(self, led.leader, vec![(at.clone(), offset)], ALONE_BYTES, ALONE_BYTES).await?;
        let api = format!("Fetch {topic}-{partition}");
        alone.into_values().next().unwrap_or_else(|| Err(self.unanswered(led.leader, &api)))
    }
}

/// Returns true if there is a whole batch that ends at `offset` or later.
fn reaches(records: &Bytes, offset: i64) -> bool {
    walk(records).map_while(Result::ok).any(|batch| batch.header.last_offset() >= offset)
}

async fn ask_many(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, i64)>,
) -> AnswersByPartition<Option<Bytes>> {
    fetch(&cluster, leader, wanted, AMONG_OTHERS_BYTES, ANSWER_BYTES).await
}

async fn fetch(
    cluster: &Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, i64)>,
    partition_bytes: i32,
    bytes: i32,
) -> AnswersByPartition<Option<Bytes>> {
    let topics = by_topic(wanted, |partition, offset| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(partition_bytes)
    });
    let topics = topics.into_iter().map(|(topic, partitions)| {
        FetchTopic::default().with_topic(topic_name(&topic)).with_partitions(partitions)
    });
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(bytes)
        .with_session_epoch(-1)
        .with_topics(topics.collect());
    let broker = cluster.broker(leader).await?;
    // The last version that identifies topics by name.
    let response = broker.call_at_most(request, 12).await?;
    let mut answers = HashMap::new();
    for topic in response.responses {
        for found in topic.partitions {
            let at = (topic.topic.to_string(), found.partition_index);
            let answer = match ErrorCode(found.error_code) {
                ErrorCode::OFFSET_OUT_OF_RANGE => Ok(None),
                code if code.is_none() => Ok(Some(found.records.unwrap_or_default())),
                code => Err(broker.answered(&format!("Fetch {}-{}", at.0, at.1), code, "")),
            };
            let _ = answers.insert(at, answer);
        }
    }
    Ok(answers)
}
