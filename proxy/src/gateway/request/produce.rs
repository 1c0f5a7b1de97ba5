//! Inspects Produce requests: refuses partitions of read-only mirror topics, and batches with a reserved
//! producer id.

use bytes::Bytes;

use crate::wire::messages::produce_request::{PartitionRecords, ProduceRequest, ProduceTopic, peek};
use crate::wire::messages::produce_scan::{ProduceScan, ScanResult, is_reserved};
use crate::wire::protocol::frame::SIZE_BYTES;
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

use crate::gateway::error::SessionError;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::reply;
use crate::gateway::reply::refusal::{BYTES_PER_ENTRY, MAX_REFUSED, RequestRefusals};
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::plan::Judged;
use crate::gateway::request::side::{RequestSide, request_copy_error, request_error, response_error};

/// Size of the front of a request that is read to find acks and topic, in bytes. It is enough for any
/// sensible request for one topic.
const FRONT: usize = 4 * 1024;

impl RequestSide {
    pub(crate) async fn produce(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), RequestEnd> {
        let version = prefix.api_version;
        if version >= versions::PRODUCE_READABLE_FROM {
            let front = (SIZE_BYTES + size).min(FRONT);
            self.client.require(front).await.map_err(SessionError::ClientIo)?;
            // If the front is malformed or longer than this, the whole request is read instead.
            let bytes = self.client.peek_bytes(SIZE_BYTES, front);
            if let Ok(front) = peek(&bytes, version)
                && may_stream(
                    &self.guards,
                    prefix,
                    size,
                    (&bytes, self.client.buffered()),
                    front.only_topic.as_ref(),
                )
            {
                if let Some(response) = response_to(prefix, front.acks) {
                    self.expect(prefix, response).await?;
                }
                return self.pass_while_allowed(prefix, size, front.only_topic.as_ref()).await;
            }
        }
        let frame = self.take(size).await?;
        let survey = survey(prefix, &frame).map_err(|source| request_error(prefix, source))?;
        if version < versions::PRODUCE_READABLE_FROM {
            return self.produce_too_old(prefix, &frame, &survey).await;
        }
        if survey.is_forged {
            return self.produce_forged(prefix, &frame, &survey).await;
        }
        let judged = self.judged(prefix, &frame, judge).await?;
        self.count_writes(survey.acks, &judged.refused);
        let plan = judged.plan(response_to(prefix, survey.acks));
        self.execute(prefix, &frame, plan, judge).await
    }

    /// Streams the request on. Stops at a batch with a reserved producer id, and at a topic that may not be
    /// written. Holds back the last piece if the topic has become a mirror meanwhile. A broker takes nothing
    /// of a request that it does not get whole.
    async fn pass_while_allowed(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
        only: Option<&TopicRef>,
    ) -> Result<(), RequestEnd> {
        let mut scan = ProduceScan::new(prefix.api_version, size);
        // The size field precedes the frame.
        let mut before = SIZE_BYTES;
        let mut refused = None;
        let guards = &self.guards;
        let passes = |piece: &[u8], last: bool| {
            let skipped = before.min(piece.len());
            before -= skipped;
            // The only topic was checked before. It is checked once more at the end.
            let may_write = |topic: &TopicRef| only.is_some() || guards.read_only(topic).is_none();
            refused = match scan.feed(&piece[skipped..], may_write) {
                Ok(ScanResult::Good) if !last || still_may_write(guards, only) => None,
                Ok(ScanResult::Good | ScanResult::Refused) => Some(SessionError::MirrorMeanwhile),
                Ok(ScanResult::Reserved) => Some(SessionError::ReservedProducerId),
                Err(source) => Some(SessionError::Request { api_key: prefix.api_key, source }),
            };
            refused.is_none()
        };
        let whole = self.client.copy_while(SIZE_BYTES + size, &mut self.broker, passes).await;
        let _ = whole.map_err(request_copy_error)?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Answers a request in which a batch has a reserved producer id. Nothing of it is sent on: no client
    /// library writes such a batch, so it is not worth the effort to accept the others.
    async fn produce_forged(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        survey: &Survey,
    ) -> Result<(), RequestEnd> {
        tracing::debug!(acks = survey.acks, "a write with a reserved producer id refused");
        if survey.acks == 0 {
            return Ok(());
        }
        let topics = self.topics(prefix, frame, survey).await?;
        let reserved = |partition: &PartitionRecords| is_reserved(records(frame, partition));
        let reply = reply::produce_forged(prefix, &topics, reserved)
            .map_err(|source| response_error(prefix, source))?;
        drop(topics);
        Ok(self.expect(prefix, ResponsePlan::Local(reply)).await?)
    }

    /// Returns all topics of a request of which nothing is sent on. Charges them before it keeps them.
    async fn topics(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        survey: &Survey,
    ) -> Result<Vec<ProduceTopic>, RequestEnd> {
        let mut topics = Vec::new();
        if survey.entries > MAX_REFUSED {
            let source = WireError::TooMany { what: "partitions to refuse in a request", limit: MAX_REFUSED };
            return Err(request_error(prefix, source).into());
        }
        self.client.charge(frame.len() + survey.entries * BYTES_PER_ENTRY).await;
        let read = ProduceRequest::read(frame.clone(), prefix.api_version, |topic| {
            topics.push(topic);
            Ok(true)
        });
        let _ = read.map_err(|source| request_error(prefix, source))?;
        Ok(topics)
    }

    pub(crate) fn count_writes(&self, acks: i16, refused: &RequestRefusals) {
        for (topic, partitions) in refused.by_topic() {
            if acks == 0 {
                self.metrics.dropped(topic, partitions);
            } else {
                self.metrics.refused(topic, partitions);
            }
            tracing::debug!(topic, partitions, acks, "write to a mirror topic refused");
        }
    }

    async fn produce_too_old(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        survey: &Survey,
    ) -> Result<(), RequestEnd> {
        if survey.acks == 0 {
            return Ok(());
        }
        let topics = self.topics(prefix, frame, survey).await?;
        let reply = reply::produce_too_old(prefix.correlation_id, prefix.api_version, &topics);
        drop(topics);
        Ok(self.expect(prefix, ResponsePlan::Local(reply)).await?)
    }
}

/// Returns what the client gets if nothing of its request is refused, or `None` if the broker sends no
/// response.
fn response_to(prefix: RequestPrefix, acks: i16) -> Option<ResponsePlan> {
    // Only responses since version 10 have addresses.
    let response = if prefix.api_version >= 10 { ResponsePlan::Rewrite } else { ResponsePlan::Pass };
    (acks != 0).then_some(response)
}

/// Returns true if the request may be sent on before its end has arrived. It is best refused while nothing of
/// it has been sent, so its first batch must be known. `front` is the part of the request that has been waited
/// for. `buffered` is all that has arrived, the size field included.
fn may_stream(
    guards: &Guards,
    prefix: RequestPrefix,
    size: usize,
    (front, buffered): (&[u8], &[u8]),
    only: Option<&TopicRef>,
) -> bool {
    match only {
        Some(topic) => guards.read_only(topic).is_none() && begins_well(prefix, size, front, |_| true),
        // If there are mirrors, a request for several topics is answered topic by topic. Otherwise only
        // Linkgate's own topic has to be found, in all bytes that have arrived.
        None => {
            let here = &buffered[SIZE_BYTES.min(buffered.len())..(SIZE_BYTES + size).min(buffered.len())];
            guards.is_empty() && begins_well(prefix, size, here, |topic| guards.read_only(topic).is_none())
        }
    }
}

/// Facts about a request that are needed before its topics are judged.
struct Survey {
    acks: i16,
    /// Number of partitions, and of topics without partitions.
    entries: usize,
    /// True if any batch has a reserved producer id.
    is_forged: bool,
}

/// Returns true if the topics of a request may still be written when its end has arrived: its only topic, or,
/// if it names several, each of them as long as there is no mirror.
fn still_may_write(guards: &Guards, only: Option<&TopicRef>) -> bool {
    only.map_or_else(|| guards.is_empty(), |topic| guards.read_only(topic).is_none())
}

/// Returns true if `front` has the first batch header of the request and holds nothing that must be refused.
/// Otherwise the request is taken whole, so that its response can report the refusal.
fn begins_well(
    prefix: RequestPrefix,
    size: usize,
    front: &[u8],
    may_write: impl FnMut(&TopicRef) -> bool,
) -> bool {
    let mut scan = ProduceScan::new(prefix.api_version, size);
    scan.feed(front, may_write) == Ok(ScanResult::Good) && scan.has_looked()
}

fn survey(prefix: RequestPrefix, frame: &Bytes) -> Result<Survey, WireError> {
    let (mut entries, mut is_forged) = (0, false);
    let request = ProduceRequest::read(frame.clone(), prefix.api_version, |topic| {
        entries += topic.partitions.len().max(1);
        is_forged |= topic.partitions.iter().any(|partition| is_reserved(records(frame, partition)));
        Ok(true)
    })?;
    Ok(Survey { acks: request.acks, entries, is_forged })
}

fn records<'a>(frame: &'a Bytes, partition: &PartitionRecords) -> &'a [u8] {
    partition.records.clone().and_then(|range| frame.get(range)).unwrap_or_default()
}

fn judge(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let mut refused = RequestRefusals::default();
    let request = ProduceRequest::read(
        frame.clone(),
        prefix.api_version,
        |ProduceTopic { topic, partitions }| {
            let Some(guard) = guards.read_only(&topic) else { return Ok(true) };
            let partitions = partitions.iter().map(|partition| partition.index).collect();
            let message = || {
                if guard.is_linkgates_own() {
                    return format!(
                        "Cannot append records to topic '{}': it is Linkgate's own.",
                        guard.topic
                    );
                }
                // Confluent Server uses the same first sentence.
                format!(
                    "Cannot append records to read-only mirror topic '{}'. It follows its source over link '{}': promote it \
                 or fail it over to write to it.",
                    guard.topic, guard.link
                )
            };
            refused.add(&guard, &topic, partitions, message).map(|()| false)
        },
    )?;
    Ok(Judged { kept: request.topics, refused })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka_protocol::messages::ApiKey;
    use state::model::{KafkaUuid, STAMP_TOPIC, TopicGuard, TopicGuards, Written};
    use tokio::sync::watch;

    use super::*;
    use crate::gateway::response::filler_filter::tests::{filler_at, real_at};
    use crate::gateway::tests::fixture::request;
    use crate::gateway::tests::produce::produce;

    fn guards(topics: &[&str]) -> Guards {
        let guard = |topic: &&str| TopicGuard {
            topic: (*topic).to_owned(),
            topic_id: KafkaUuid::ZERO,
            link: "dr".into(),
            read_only: *topic != "promoted",
            locked_configs: Arc::default(),
            written: Written::default(),
        };
        Guards::new(watch::channel(Arc::new(TopicGuards::from_guards(topics.iter().map(guard)))).1)
    }

    #[test]
    fn a_request_is_streamed_only_if_all_its_topics_may_be_written_and_its_first_batch_is_a_clients() {
        let (real, reserved) = (real_at(0, 2), filler_at(0, 2));
        let (none, some): (&[&str], &[&str]) = (&[STAMP_TOPIC], &[STAMP_TOPIC, "mirror", "promoted"]);
        let table: [(&[&str], &[&str], &Bytes, bool); 10] = [
            (none, &["plain"], &real, true),
            (none, &["plain"], &reserved, false),
            (none, &["plain", "other"], &real, true),
            (none, &["plain", "other"], &reserved, false),
            (none, &[STAMP_TOPIC], &real, false),
            (none, &[STAMP_TOPIC, "plain"], &real, false),
            (some, &["plain"], &real, true),
            (some, &["promoted"], &real, true),
            (some, &["mirror"], &real, false),
            (some, &["plain", "other"], &real, false),
        ];
        let prefix = RequestPrefix { api_key: versions::PRODUCE, api_version: 9, correlation_id: 1 };
        for (guarded, topics, batch, expected) in table {
            let mut body = produce(9, -1, topics);
            for partition in body.topic_data.iter_mut().flat_map(|topic| &mut topic.partition_data) {
                partition.records = Some(batch.clone());
            }
            let frame = request(ApiKey::Produce, 9, 1, &body);
            let buffered = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
            let only = peek(&frame, 9).unwrap().only_topic;
            assert_eq!(only.is_some(), topics.len() == 1);
            let streams = |front: &[u8], buffered: &[u8]| {
                may_stream(&guards(guarded), prefix, frame.len(), (front, buffered), only.as_ref())
            };
            assert_eq!(streams(&frame, &buffered), expected, "{topics:?} with guards of {guarded:?}");
            // Without its first batch header, no request is streamed.
            assert!(!streams(&frame[..40], &buffered[..40]), "{topics:?}");
        }
    }
}
