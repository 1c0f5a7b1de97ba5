//! Writes of clients: partitions of read-only mirror topics are refused, and batches that claim to be a mirror's.

use bytes::Bytes;

use crate::wire::frame::SIZE_BYTES;
use crate::wire::header::RequestPrefix;
use crate::wire::primitive::WireError;
use crate::wire::produce_request::{PartitionRecords, ProduceRequest, ProduceTopic, peek};
use crate::wire::produce_scan::{ProduceScan, Seen, is_reserved};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::error::SessionError;
use super::super::inflight::Answer;
use super::super::mirror_guard::Guards;
use super::super::refusal::{BYTES_PER_ENTRY, MAX_REFUSED, Refusals};
use super::super::reply;
use super::super::requests::{Gone, RequestSide, Stop, request_error, response_error};
use super::Judged;

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
                && self.may_stream(prefix, size, &bytes, front.only_topic.as_ref())
            {
                self.expect_produce(prefix, front.acks).await?;
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
        let acks = survey.acks;
        let Judged { kept, refused } = self.judged(prefix, &frame, judge).await?;
        if refused.is_empty() {
            self.expect_produce(prefix, acks).await?;
            return self.send_kept(prefix, &frame, &kept, judge).await;
        }
        self.count_writes(acks, &refused);
        match (acks, kept.is_none()) {
            (0, true) => Ok(()),
            (0, false) => self.send_kept(prefix, &frame, &kept, judge).await,
            (_, true) => {
                let reply = reply::refused(prefix, &refused.topics);
                let reply = reply.map_err(|source| response_error(prefix, source))?;
                Ok(self.expect(prefix, Answer::Local(reply)).await?)
            }
            (_, false) => {
                self.expect(prefix, Answer::Merge(refused)).await?;
                self.send_kept(prefix, &frame, &kept, judge).await
            }
        }
    }

    /// Whether a request may begin to go on before its end has come. What must not pass is refused best while nothing
    /// of it has gone, so the batch that it begins with must be known. `front` is what was waited for of it.
    fn may_stream(&self, prefix: RequestPrefix, size: usize, front: &[u8], only: Option<&TopicRef>) -> bool {
        match only {
            Some(topic) => {
                self.guards.read_only(topic).is_none() && begins_well(prefix, size, front, |_| true)
            }
            // Beside mirrors, a request for several topics is answered topic by topic. Otherwise there is only
            // Linkgate's own topic to look for, in all that is here already.
            None => {
                let buffered = self.client.buffered();
                let here = &buffered[SIZE_BYTES.min(buffered.len())..(SIZE_BYTES + size).min(buffered.len())];
                self.guards.is_empty()
                    && begins_well(prefix, size, here, |topic| self.guards.read_only(topic).is_none())
            }
        }
    }

    /// Streams the request on, but not to its end where it names a topic that may not be written, or that has become a
    /// mirror meanwhile, and not beyond a batch with a reserved producer id: a broker takes none of a request that it
    /// does not get whole.
    async fn pass_while_allowed(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
        only: Option<&TopicRef>,
    ) -> Result<(), Stop> {
        let mut scan = ProduceScan::new(prefix.api_version, size);
        // The size field precedes the frame.
        let mut before = SIZE_BYTES;
        let mut refused = None;
        let guards = &self.guards;
        let passes = |piece: &[u8], last: bool| {
            let skipped = before.min(piece.len());
            before -= skipped;
            // A topic that is alone was looked at, and is once more at the end.
            let may_write = |topic: &TopicRef| only.is_some() || guards.read_only(topic).is_none();
            refused = match scan.feed(&piece[skipped..], may_write) {
                Ok(Seen::Good) if !last || still_may_write(guards, only) => None,
                Ok(Seen::Good | Seen::Refused) => Some(SessionError::MirrorMeanwhile),
                Ok(Seen::Reserved) => Some(SessionError::ReservedProducerId),
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
    async fn produce_forged(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        survey: &Survey,
    ) -> Result<(), Stop> {
        tracing::debug!(acks = survey.acks, "a write with a reserved producer id refused");
        if survey.acks == 0 {
            return Ok(());
        }
        let topics = self.topics(prefix, frame, survey).await?;
        let reserved = |partition: &PartitionRecords| is_reserved(records(frame, partition));
        let reply = reply::produce_forged(prefix, &topics, reserved)
            .map_err(|source| response_error(prefix, source))?;
        drop(topics);
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }

    /// All topics of a request of which nothing goes on, charged before they are kept.
    async fn topics(
        &mut self,
        prefix: RequestPrefix,
        frame: &Bytes,
        survey: &Survey,
    ) -> Result<Vec<ProduceTopic>, Stop> {
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

    async fn expect_produce(&mut self, prefix: RequestPrefix, acks: i16) -> Result<(), Gone> {
        if acks == 0 {
            // The broker sends nothing back.
            return Ok(());
        }
        // Answers carry addresses since version 10 only.
        let answer = if prefix.api_version >= 10 { Answer::Rewrite } else { Answer::Pass };
        self.expect(prefix, answer).await
    }

    pub(super) fn count_writes(&self, acks: i16, refused: &Refusals) {
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
    ) -> Result<(), Stop> {
        if survey.acks == 0 {
            return Ok(());
        }
        let topics = self.topics(prefix, frame, survey).await?;
        let reply = reply::produce_too_old(prefix.correlation_id, prefix.api_version, &topics);
        drop(topics);
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }
}

/// What must be known of a request before its topics are judged.
struct Survey {
    acks: i16,
    /// Partitions, and topics without any.
    entries: usize,
    /// Some batch bears a producer id of a mirror.
    is_forged: bool,
}

/// Whether what a request names may be written now that its end has come: its only topic, or, where it names several,
/// each of them as long as there is no mirror.
fn still_may_write(guards: &Guards, only: Option<&TopicRef>) -> bool {
    only.map_or_else(|| guards.is_empty(), |topic| guards.read_only(topic).is_none())
}

/// Whether the first batch of a request can be told from what has come of it, and all of that may pass. Otherwise the
/// request is taken whole, so that its answer can tell.
fn begins_well(
    prefix: RequestPrefix,
    size: usize,
    front: &[u8],
    may_write: impl FnMut(&TopicRef) -> bool,
) -> bool {
    let mut scan = ProduceScan::new(prefix.api_version, size);
    scan.feed(front, may_write) == Ok(Seen::Good) && scan.has_looked()
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
    let mut refused = Refusals::default();
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
                // The first sentence is Confluent Server's own.
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
