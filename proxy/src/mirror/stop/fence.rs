//! The fence: one filler with producer epoch 1, after which the broker refuses every append of epoch 0, whoever sends it
//! and however late it arrives (INVALID_PRODUCER_EPOCH). A new epoch begins at sequence 0.
//!
//! A broker forgets a producer id when the largest timestamp of its last batch is older than `producer.id.expiration.ms`
//! (`ProducerStateManager.isProducerExpired`). So a fence bears the time of now, whatever the records before it bear. A log
//! that ends with a fence is known by that batch when the broker has forgotten it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;

use super::{NotYet, StopJob};
use crate::client::{ClientError, PartitionMetadata, answer};
use crate::clock::now_ms;
use crate::mirror::partition::Partition;
use crate::wire::error_code::ErrorCode;
use crate::wire::filler::fence;
use crate::wire::produce_encode::{PRODUCE_KEY, ProducePartition, ProduceTopic, produce, produce_version};
use crate::wire::rehead::WriterIds;

/// The producer epoch of a fence.
const FENCE_EPOCH: i16 = 1;
/// A leader that does not answer in this time is asked for again.
const WITHIN: Duration = Duration::from_secs(5);

impl StopJob {
    /// Fences all partitions, those of different leaders at the same time. Returns the log ends behind the fence, in
    /// partition order; partitions that have theirs are marked even when others are held up.
    ///
    /// Repeating it is harmless: a broker answers a fence that it already has with the old offset.
    pub(super) async fn fence(&self) -> Result<Vec<i64>, NotYet> {
        let fences = self.fence_what_can_be().await?;
        match fences.held_up {
            None => Ok(fences.ends.into_values().collect()),
            Some(reason) => Err(reason),
        }
    }

    /// One attempt to fence all partitions.
    pub(super) async fn fence_what_can_be(&self) -> Result<Fences, NotYet> {
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

    /// Leaders by partition: as known, or asked for where one is not.
    async fn leaders(&self) -> Result<HashMap<i32, PartitionMetadata>, NotYet> {
        let topics = [self.topic().to_owned()];
        let metadata = tokio::time::timeout(WITHIN, self.destination.metadata(Some(&topics)))
            .await
            .map_err(|_| NotYet("the destination does not answer".to_owned()))?
            .map_err(|error| NotYet(format!("the destination does not answer: {error}")))?;
        let topic = metadata
            .topics
            .get(self.topic())
            .ok_or_else(|| NotYet(format!("the destination has no topic '{}'", self.topic())))?;
        if !self.mirror.is_local_topic(topic.id) {
            return Err(NotYet(format!(
                "the destination topic '{}' was deleted and created anew: it is not the mirror, and gets no fence",
                self.topic()
            )));
        }
        Ok(topic.partitions.iter().map(|partition| (partition.index, partition.clone())).collect())
    }

    async fn fence_at(&self, leader: i32, partitions: Vec<Arc<Partition>>) -> Result<Answer, NotYet> {
        let (version, body) = tokio::time::timeout(WITHIN, self.send_fence(leader, &partitions))
            .await
            .map_err(|_| NotYet(format!("destination broker {leader} does not answer")))?
            .map_err(|error| NotYet(format!("destination broker {leader}: {error}")))?;
        read_fenced(version, body, leader)
    }

    /// The version that was sent, and the answer.
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
        let topics = [ProduceTopic { name: self.topic().to_owned(), id, partitions }];
        let timeout_ms = i32::try_from(WITHIN.as_millis()).unwrap_or(i32::MAX);
        let offered = connection.broker_versions(PRODUCE_KEY).map_or(0, |(_, most)| most);
        let version = produce_version(offered, &topics);
        let segments = produce(version, 1, timeout_ms, &topics);
        Ok((version, connection.send_segments(PRODUCE_KEY, version, segments).await?.await?))
    }
}

/// What became of one attempt to fence all partitions.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// Log ends behind the fences, by partition.
    pub(super) ends: BTreeMap<i32, i64>,
    /// Partitions without a leader, and the brokers of their replicas.
    pub(super) leaderless: BTreeMap<i32, Vec<i32>>,
    /// Why some partition has no fence yet; `None` when all have theirs.
    pub(super) held_up: Option<NotYet>,
}

/// Log ends behind the fence by partition, and why the first of the others has none.
type Answer = (Vec<(i32, i64)>, Option<NotYet>);

/// The log ends behind the fences that were taken, and why the first of the others was not.
fn read_fenced(version: i16, body: Bytes, leader: i32) -> Result<Answer, NotYet> {
    let response = answer::decoded::<ProduceResponse>(PRODUCE_KEY, body, version).map_err(|error| {
        NotYet(format!("destination broker {leader} answered what cannot be read: {error}"))
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
