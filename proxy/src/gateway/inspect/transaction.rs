//! Transactions that would leave something in a read-only mirror topic are refused as a whole, as a broker does where one
//! topic may not be written: otherwise their end would write a marker there, even with every record refused.

use bytes::Bytes;

use crate::wire::admin_requests::{Marker, TopicPartitions, read_added_partitions, read_txn_markers};
use crate::wire::header::RequestPrefix;
use crate::wire::kept::Kept;
use crate::wire::primitive::WireError;
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::error::ResponseError;
use super::super::inflight::Answer;
use super::super::mirror_guard::Guards;
use super::super::refusal::{MAX_REFUSED, Refusals};
use super::super::reply;
use super::super::requests::{RequestSide, Stop, request_error, response_error};
use super::{Judge, Judged};

/// Bytes that an entry takes in the answer and on the way there, beside its name.
const BYTES_PER_ENTRY: usize = 256;

impl RequestSide {
    pub(super) async fn add_partitions(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        self.transaction(prefix, size, judge_added, |guards, frame| {
            let mut topics = Vec::new();
            let _ = read_added_partitions(frame, prefix.api_version, |topic| {
                topics.push(topic);
                Ok(true)
            })?;
            reply::add_partitions_refused(prefix, topics.iter(), |topic| is_read_only(guards, topic))
        })
        .await
    }

    /// Administrators end hanging transactions with markers of their own (KIP-664).
    pub(super) async fn write_markers(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        self.transaction(prefix, size, judge_markers, |guards, frame| {
            let mut markers = Vec::new();
            let _ = read_txn_markers(frame, prefix.api_version, |marker| {
                markers.push(marker);
                Ok(true)
            })?;
            Ok(reply::markers_refused(prefix, &markers, |topic| is_read_only(guards, topic)))
        })
        .await
    }

    /// Passes a request on, or has `reply` answer all of it where anything of it is refused.
    async fn transaction(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
        judge: Judge,
        reply: impl FnOnce(&Guards, &Bytes) -> Result<Bytes, ResponseError>,
    ) -> Result<(), Stop> {
        let frame = self.take(size).await?;
        let Judged { kept, refused } = self.judged(prefix, &frame, judge).await?;
        if refused.is_empty() {
            self.expect(prefix, Answer::Pass).await?;
            return self.send_kept(prefix, &frame, &kept, judge).await;
        }
        let elements = elements(prefix, &frame).map_err(|source| request_error(prefix, source))?;
        self.client.charge(2 * frame.len() + elements * BYTES_PER_ENTRY).await;
        if prefix.api_key == versions::ADD_PARTITIONS_TO_TXN {
            self.count_writes(-1, &refused);
        } else {
            self.count(prefix, &refused);
        }
        let reply = reply(&self.guards, &frame).map_err(|source| response_error(prefix, source))?;
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }
}

fn judge_added(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let mut refused = Refusals::default();
    let kept = read_added_partitions(frame, prefix.api_version, |topic| stays(guards, &mut refused, topic))?;
    Ok(Judged { kept, refused })
}

fn judge_markers(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let mut refused = Refusals::default();
    let kept = read_txn_markers(frame, prefix.api_version, |marker| {
        let mut all = true;
        for topic in marker.topics {
            all &= stays(guards, &mut refused, topic)?;
        }
        Ok(all)
    })?;
    Ok(Judged { kept, refused })
}

/// Whether a topic is no mirror; otherwise it is refused.
fn stays(guards: &Guards, refused: &mut Refusals, topic: TopicPartitions) -> Result<bool, WireError> {
    let named = TopicRef::Name(topic.name);
    let Some(guard) = guards.read_only(&named) else { return Ok(true) };
    // The answers to these requests have no messages.
    refused.add(&guard, &named, topic.partitions, String::new).map(|()| false)
}

fn is_read_only(guards: &Guards, topic: &TopicPartitions) -> bool {
    guards.read_only_name(&topic.name).is_some()
}

/// Entries of the answer, which names all topics of the request.
///
/// # Errors
/// [`WireError::TooMany`].
fn elements(prefix: RequestPrefix, frame: &Bytes) -> Result<usize, WireError> {
    let mut elements = 0;
    let mut count = |topic: &TopicPartitions| elements += 1 + topic.partitions.len();
    let _: Kept = if prefix.api_key == versions::ADD_PARTITIONS_TO_TXN {
        read_added_partitions(frame, prefix.api_version, |topic| {
            count(&topic);
            Ok(true)
        })?
    } else {
        read_txn_markers(frame, prefix.api_version, |marker: Marker| {
            marker.topics.iter().for_each(&mut count);
            Ok(true)
        })?
    };
    if elements > MAX_REFUSED {
        return Err(WireError::TooMany { what: "entries of a transaction to refuse", limit: MAX_REFUSED });
    }
    Ok(elements)
}
