//! What stands at one offset of a log, uncommitted data included.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest};

use super::super::cluster::{Cluster, topic_name};
use super::super::error::ClientError;
use super::super::gather::Answers;
use super::{TopicPartition, by_topic};
use crate::wire::error_code::ErrorCode;
use crate::wire::walk::walk;

/// Bytes asked for of a partition that is asked about alone; the broker sends one whole batch even if it is larger.
const ALONE_BYTES: i32 = 64 * 1024;
/// The same among others; larger batches come cut off.
const AMONG_OTHERS_BYTES: i32 = 32 * 1024;
/// Bytes of one answer about many partitions; the last ones may come out empty.
const ANSWER_BYTES: i32 = 16 * 1024 * 1024;

impl Cluster {
    /// The records from the batch on that holds `offset`, or the next one; empty when a client may not see so far yet, `None`
    /// when the log does not reach there or begins behind it. What is asked of the leader at the same time travels along.
    ///
    /// # Errors
    /// The leader's code, or why it could not be asked.
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
            // No room for it among the others.
            Some(Ok(Some(_))) | None => {}
            Some(answer) => return answer,
        }
        let alone = fetch(self, led.leader, vec![(at.clone(), offset)], ALONE_BYTES, ALONE_BYTES).await?;
        let api = format!("Fetch {topic}-{partition}");
        alone.into_values().next().unwrap_or_else(|| Err(self.unanswered(led.leader, &api)))
    }
}

/// Whether a whole batch is there that ends at `offset` or behind it.
fn reaches(records: &Bytes, offset: i64) -> bool {
    walk(records).map_while(Result::ok).any(|batch| batch.header.last_offset() >= offset)
}

async fn ask_many(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, i64)>,
) -> Answers<Option<Bytes>> {
    fetch(&cluster, leader, wanted, AMONG_OTHERS_BYTES, ANSWER_BYTES).await
}

async fn fetch(
    cluster: &Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, i64)>,
    partition_bytes: i32,
    bytes: i32,
) -> Answers<Option<Bytes>> {
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
    // Version 12 is the last that names topics.
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
