//! Writes the fence: one filler batch with producer epoch 1. After it, the broker refuses every append of
//! epoch 0 (INVALID_PRODUCER_EPOCH), whatever its sender and however late it arrives. A new epoch begins at
//! sequence 0.
//!
//! A broker forgets a producer id when the largest timestamp of its last batch is older than
//! `producer.id.expiration.ms` (`ProducerStateManager.isProducerExpired`). So a fence has the current time as
//! its timestamp, regardless of the records before it. When the broker has forgotten the id, a log that ends
//! with a fence is still recognised by that batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;

use crate::client::connection::response_body;
use crate::client::{ClientError, PartitionMetadata};
use crate::clock::now_ms;
use crate::mirror::replication::partition::Partition;
use crate::mirror::stop::{NotYet, StopJob};
use crate::wire::messages::produce_encode::{
    EncodedTopic, PRODUCE_KEY, ProducePartition, produce, produce_version,
};
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::records::filler::fence;
use crate::wire::records::rewrite_header::WriterIds;

/// Producer epoch of a fence.
const FENCE_EPOCH: i16 = 1;
/// Timeout of one request. The next attempt asks for the leaders again.
const FENCE_TIMEOUT: Duration = Duration::from_secs(5);

impl StopJob {
    /// Fences all partitions. Partitions of different leaders are fenced at the same time. Returns the log
    /// ends behind the fences, in partition order. Partitions that got their fence are marked even if others
    /// are held up.
    ///
    /// Repeating this is harmless: a broker answers a fence that it already has with the old offset.
    pub(crate) async fn fence(&self) -> Result<Vec<i64>, NotYet> {
        let fences = self.fence_what_can_be().await?;
        match fences.held_up {
            None => Ok(fences.ends.into_values().collect()),
            Some(reason) => Err(reason),
        }
    }

    /// Makes one attempt to fence all partitions.
    pub(crate) async fn fence_what_can_be(&self) -> Result<Fences, NotYet> {
        let mut fences = Fences::default();
        let known = self.leaders().await?;
        let mut by_leader: HashMap<i32, Vec<Arc<Partition>>> = HashMap::new();
        for partition in &self.partitions {
            match known.get(&partition.id.index) {
                Some(led) if led.leader >= 0 => {
                    by_leader.entry(led.leader).or_default().push(Arc::clone(partition));
                }
                led => {
                    let replicas = led.map(|led| led.replicas.clone()).unwrap_or_default();
                    let _ = fences.leaderless.insert(partition.id.index, replicas);
                }
            }
        }
        let requests = by_leader.into_iter().map(|(leader, partitions)| self.fence_at(leader, partitions));
        for answer in futures::future::join_all(requests).await {
            match answer {
                Ok((fenced, refused)) => {
                    fences.ends.extend(fenced);
                    fences.held_up = refused.or(fences.held_up.take());
                }
                Err(reason) => fences.held_up = Some(reason),
            }
        }
        for partition in &self.partitions {
            let index = partition.id.index;
            match fences.ends.get(&index) {
                Some(end) => partition.found_fenced(*end),
                None if fences.held_up.is_none() => {
                    fences.held_up = Some(match fences.leaderless.get(&index) {
                        Some(replicas) => NotYet(format!(
                            "partition {index} has no leader on the destination; its replicas are on brokers {replicas:?}"
                        )),
                        None => NotYet(format!("partition {index} is not fenced yet")),
                    });
                }
                None => {}
            }
        }
        Ok(fences)
    }

    /// Asks the destination for the leaders. Returns the metadata of each partition by its index.
    async fn leaders(&self) -> Result<HashMap<i32, PartitionMetadata>, NotYet> {
        let topics = [self.topic().to_owned()];
        let metadata = tokio::time::timeout(FENCE_TIMEOUT, self.destination.metadata(Some(&topics)))
            .await
            .map_err(|_| NotYet("the destination does not answer".to_owned()))?
            .map_err(|error| NotYet(format!("the destination does not answer: {error}")))?;
        let topic = metadata
            .topics
            .get(self.topic())
            .ok_or_else(|| NotYet(format!("the destination has no topic '{}'", self.topic())))?;
        if !self.mirror.is_local_topic(topic.id) {
            return Err(NotYet(format!(
                "the destination topic '{}' was deleted and created again: it is not the mirror, and gets \
                 no fence",
                self.topic()
            )));
        }
        Ok(topic.partitions.iter().map(|partition| (partition.index, partition.clone())).collect())
    }

    async fn fence_at(&self, leader: i32, partitions: Vec<Arc<Partition>>) -> Result<FencedEnds, NotYet> {
        let (version, body) = tokio::time::timeout(FENCE_TIMEOUT, self.send_fence(leader, &partitions))
            .await
            .map_err(|_| NotYet(format!("destination broker {leader} does not answer")))?
            .map_err(|error| NotYet(format!("destination broker {leader}: {error}")))?;
        read_fenced(version, body, leader)
    }

    /// Sends the fences to one leader. Returns the Produce version that was used, and the answer.
    async fn send_fence(
        &self,
        leader: i32,
        partitions: &[Arc<Partition>],
    ) -> Result<(i16, Bytes), ClientError> {
        let connection = self.destination.broker(leader).await?;
        let now = now_ms();
        let partitions = partitions
            .iter()
            .map(|partition| {
                let ids = WriterIds {
                    producer_id: partition.id.producer_id,
                    producer_epoch: FENCE_EPOCH,
                    base_sequence: 0,
                };
                ProducePartition { index: partition.id.index, header: Bytes::new(), payload: fence(now, ids) }
            })
            .collect();
        let id = *self.mirror.local_topic_id.0.as_bytes();
        let topics = [EncodedTopic { name: self.topic().to_owned(), id, partitions }];
        let timeout_ms = i32::try_from(FENCE_TIMEOUT.as_millis()).unwrap_or(i32::MAX);
        let offered = connection.broker_versions(PRODUCE_KEY).map_or(0, |(_, most)| most);
        let version = produce_version(offered, &topics);
        let segments = produce(version, 1, timeout_ms, &topics);
        Ok((version, connection.send_segments(PRODUCE_KEY, version, segments).await?.await?))
    }
}

/// Result of one attempt to fence all partitions.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    /// Log ends behind the fences, by partition.
    pub(crate) ends: BTreeMap<i32, i64>,
    /// Partitions without a leader, and the brokers of their replicas.
    pub(crate) leaderless: BTreeMap<i32, Vec<i32>>,
    /// Reason why a partition has no fence yet. `None` if all partitions have one.
    pub(crate) held_up: Option<NotYet>,
}

/// Log ends behind the fences by partition, and the reason for the first partition without a fence.
type FencedEnds = (Vec<(i32, i64)>, Option<NotYet>);

/// Reads the log ends behind the accepted fences, and the reason for the first refused one.
fn read_fenced(version: i16, body: Bytes, leader: i32) -> Result<FencedEnds, NotYet> {
    let response =
        response_body::decoded::<ProduceResponse>(PRODUCE_KEY, body, version).map_err(|error| {
            NotYet(format!("the response of destination broker {leader} cannot be read: {error}"))
        })?;
    let (mut fenced, mut refused) = (Vec::new(), None);
    for answer in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
        let code = ErrorCode(answer.error_code);
        if code.is_none() {
            fenced.push((answer.index, answer.base_offset + 1));
        } else {
            let index = answer.index;
            refused.get_or_insert_with(|| {
                NotYet(format!(
                    "destination broker {leader} refused the fence of partition {index}: {}",
                    code.name()
                ))
            });
        }
    }
    Ok((fenced, refused))
}
