//! Writes of clients: partitions of read-only mirror topics are refused, and batches that claim to be a mirror's.

use bytes::Bytes;

use crate::wire::frame::SIZE_BYTES;
use crate::wire::header::RequestPrefix;
use crate::wire::produce_request::{PartitionRecords, ProduceRequest, ProduceTopic, peek};
use crate::wire::produce_scan::{ProduceScan, is_reserved};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::error::SessionError;
use super::super::inflight::{Answer, RefusedTopic};
use super::super::mirror_guard::Guards;
use super::super::reply;
use super::super::requests::{Gone, RequestSide, Stop, request_error, response_error};

/// Bytes in which acks and topic of any sensible Produce request for one topic are found.
const FRONT: usize = 4 * 1024;

impl RequestSide {
    pub(super) async fn produce(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let version = prefix.api_version;
        if version >= versions::PRODUCE_READABLE_FROM {
            let front = (SIZE_BYTES + size).min(FRONT);
            self.client.require(front).await.map_err(SessionError::ClientIo)?;
            // An opening that is longer than this, or broken, is read with the whole request.
            let bytes = self.client.peek_bytes(SIZE_BYTES, front);
            if let Ok(front) = peek(&bytes, version)
                && may_write(&self.guards, front.only_topic.as_ref())
                && begins_unreserved(&bytes, version, size)
            {
                self.expect_produce(prefix, front.acks).await?;
                return self.pass_while_allowed(prefix, size, front.only_topic.as_ref()).await;
            }
        }
        let frame = self.take(size).await?;
        let request = ProduceRequest::read(frame, version).map_err(|source| request_error(prefix, source))?;
        if version < versions::PRODUCE_READABLE_FROM {
            return self.produce_too_old(prefix, &request).await;
        }
        if request.topics.iter().any(|topic| has_reserved(&request, topic)) {
            return self.produce_forged(prefix, &request).await;
        }
        let refused: Vec<_> =
            request.topics.iter().filter_map(|topic| refusal(&self.guards, topic)).collect();
        if refused.is_empty() {
            self.expect_produce(prefix, request.acks).await?;
            return self.send(vec![request.frame().clone()]).await;
        }
        self.produce_refused(prefix, &request, refused).await
    }

    /// Streams the request on, but not to its end where its topic has become a mirror meanwhile, and not beyond a batch with a
    /// reserved producer id: a broker takes none of a request that it does not get whole.
    async fn pass_while_allowed(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
        topic: Option<&TopicRef>,
    ) -> Result<(), Stop> {
        let mut scan = ProduceScan::new(prefix.api_version, size);
        // The size field precedes the frame.
        let mut before = SIZE_BYTES;
        let mut refused = None;
        let guards = &self.guards;
        let passes = |piece: &[u8], last: bool| {
            let skipped = before.min(piece.len());
            before -= skipped;
            refused = match scan.feed(&piece[skipped..]) {
                Ok(true) if !last || may_write(guards, topic) => None,
                Ok(true) => Some(SessionError::MirrorMeanwhile),
                Ok(false) => Some(SessionError::ReservedProducerId),
                Err(source) => Some(SessionError::Request { api_key: prefix.api_key, source }),
            };
            refused.is_none()
        };
        let whole = self.client.copy_while(SIZE_BYTES + size, &mut self.broker, passes).await;
        let _ = whole.map_err(SessionError::BrokerIo)?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Nothing of a request goes on in which a batch bears a producer id of a mirror: no client library writes one, so the
    /// others in it are not worth telling apart.
    async fn produce_forged(&mut self, prefix: RequestPrefix, request: &ProduceRequest) -> Result<(), Stop> {
        tracing::debug!(acks = request.acks, "a write with a reserved producer id refused");
        if request.acks == 0 {
            return Ok(());
        }
        let reserved = |partition: &PartitionRecords| is_reserved(records(request, partition));
        let frame = reply::produce_forged(prefix, request, reserved)
            .map_err(|source| response_error(prefix, source))?;
        Ok(self.expect(prefix, Answer::Local(frame)).await?)
    }

    async fn expect_produce(&mut self, prefix: RequestPrefix, acks: i16) -> Result<(), Gone> {
        if acks == 0 {
            // The broker sends nothing back.
            return Ok(());
        }
        // Answers carry addresses since version 10 only.
        let answer = if prefix.api_version >= 10 { Answer::Rewrite } else { Answer::Pass };
        self.expect(prefix, answer).await
    }

    async fn produce_refused(
        &mut self,
        prefix: RequestPrefix,
        request: &ProduceRequest,
        refused: Vec<RefusedTopic>,
    ) -> Result<(), Stop> {
        for topic in &refused {
            if request.acks == 0 {
                self.metrics.dropped(&topic.name, topic.partitions.len());
            } else {
                self.metrics.refused(&topic.name, topic.partitions.len());
            }
            tracing::debug!(
                topic = topic.name,
                partitions = topic.partitions.len(),
                acks = request.acks,
                "write to a mirror topic refused"
            );
        }
        let nothing_left = refused.len() == request.topics.iter().len();
        let rest = (!nothing_left)
            .then(|| request.without(|topic| !refused.iter().any(|refused| refused.topic == topic.topic)));
        match (request.acks, rest) {
            (0, None) => Ok(()),
            (0, Some(rest)) => self.send(rest).await,
            (_, None) => {
                let frame =
                    reply::refused(prefix, &refused).map_err(|source| response_error(prefix, source))?;
                Ok(self.expect(prefix, Answer::Local(frame)).await?)
            }
            (_, Some(rest)) => {
                self.expect(prefix, Answer::Merge(refused)).await?;
                self.send(rest).await
            }
        }
    }

    async fn produce_too_old(&mut self, prefix: RequestPrefix, request: &ProduceRequest) -> Result<(), Stop> {
        if request.acks == 0 {
            return Ok(());
        }
        let frame = reply::produce_too_old(prefix.correlation_id, prefix.api_version, request);
        Ok(self.expect(prefix, Answer::Local(frame)).await?)
    }
}

/// Whether clients may write to a topic; to all of them, where it is not known which.
fn may_write(guards: &Guards, topic: Option<&TopicRef>) -> bool {
    topic.map_or_else(|| guards.guard_nothing(), |topic| guards.read_only(topic).is_none())
}

/// Whether the first batch of a request can be told from its front, and bears no reserved producer id. Otherwise the request is
/// taken whole, so that its answer can tell.
fn begins_unreserved(front: &Bytes, version: i16, size: usize) -> bool {
    let mut scan = ProduceScan::new(version, size);
    scan.feed(front) == Ok(true) && scan.has_looked()
}

fn has_reserved(request: &ProduceRequest, topic: &ProduceTopic) -> bool {
    topic.partitions.iter().any(|partition| is_reserved(records(request, partition)))
}

fn records<'a>(request: &'a ProduceRequest, partition: &PartitionRecords) -> &'a [u8] {
    partition.records.clone().and_then(|range| request.frame().get(range)).unwrap_or_default()
}

/// Why clients may not write to a topic; `None` where they may.
fn refusal(guards: &Guards, topic: &ProduceTopic) -> Option<RefusedTopic> {
    let guard = guards.read_only(&topic.topic)?;
    let message = if guard.is_linkgates_own() {
        format!("Cannot append records to topic '{}': it is Linkgate's own.", guard.topic)
    } else {
        // The first sentence is Confluent Server's own.
        format!(
            "Cannot append records to read-only mirror topic '{}'. It follows its source over link '{}': promote it or \
             fail it over to write to it.",
            guard.topic, guard.link
        )
    };
    Some(RefusedTopic {
        topic: topic.topic.clone(),
        message,
        name: guard.topic,
        partitions: topic.partitions.iter().map(|partition| partition.index).collect(),
    })
}
