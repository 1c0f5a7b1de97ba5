//! The fence: one filler with producer epoch 1, after which the broker refuses every append of epoch 0, whoever sends it
//! and however late it arrives (INVALID_PRODUCER_EPOCH). A new epoch begins at sequence 0.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::protocol::Decodable;

use super::{NotYet, StopJob};
use crate::client::ClientError;
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
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        let leaders = self.leaders().await?;
        let mut by_leader: HashMap<i32, Vec<Arc<Partition>>> = HashMap::new();
        for partition in &self.partitions {
            let leader = leaders.get(&partition.id.index).copied().unwrap_or(-1);
            by_leader.entry(leader).or_default().push(Arc::clone(partition));
        }
        let requests = by_leader.into_iter().map(|(leader, partitions)| self.fence_at(leader, partitions));
        let mut held_up = None;
        for answer in futures::future::join_all(requests).await {
            match answer {
                Ok((fenced, refused)) => {
                    ends.extend(fenced);
                    held_up = refused.or(held_up);
                }
                Err(reason) => held_up = Some(reason),
            }
        }
        let mut missing = None;
        for partition in &self.partitions {
            match ends.get(&partition.id.index) {
                Some(end) => partition.found_fenced(*end),
                None => missing = Some(partition.id.index),
            }
        }
        match missing {
            None => Ok(ends.into_values().collect()),
            Some(index) => {
                Err(held_up.unwrap_or_else(|| NotYet(format!("partition {index} is not fenced yet"))))
            }
        }
    }

    /// Leaders by partition: as known, or asked for where one is not.
    async fn leaders(&self) -> Result<HashMap<i32, i32>, NotYet> {
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
        Ok(topic.partitions.iter().map(|partition| (partition.index, partition.leader)).collect())
    }

    async fn fence_at(&self, leader: i32, partitions: Vec<Arc<Partition>>) -> Result<Answer, NotYet> {
        if leader < 0 {
            let index = partitions.first().map_or(-1, |partition| partition.id.index);
            return Err(NotYet(format!("partition {index} has no leader on the destination")));
        }
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
        let partitions = partitions
            .iter()
            .map(|partition| {
                let ids = WriterIds {
                    producer_id: partition.id.producer_id,
                    producer_epoch: FENCE_EPOCH,
                    base_sequence: 0,
                };
                ProducePartition {
                    index: partition.id.index,
                    header: Bytes::new(),
                    payload: fence(partition.last_timestamp(), ids),
                }
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

/// Log ends behind the fence by partition, and why the first of the others has none.
type Answer = (Vec<(i32, i64)>, Option<NotYet>);

/// The log ends behind the fences that were taken, and why the first of the others was not.
fn read_fenced(version: i16, mut body: Bytes, leader: i32) -> Result<Answer, NotYet> {
    let response = ProduceResponse::decode(&mut body, version).map_err(|error| {
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
