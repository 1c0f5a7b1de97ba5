//! Refuses transactions that would leave something in a read-only mirror topic. The whole request is refused,
//! as by a broker if one topic may not be written. Otherwise the end of the transaction would write a marker
//! to the mirror, even if every record was refused.

use bytes::Bytes;

use crate::wire::messages::admin_requests::{
    TopicPartitions, TxnMarker, read_added_partitions, read_txn_markers,
};
use crate::wire::messages::filtered_array::Kept;
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

use crate::gateway::error::ResponseError;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::reply;
use crate::gateway::reply::refusal::{MAX_REFUSED, RequestRefusals};
use crate::gateway::request::Judge;
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::plan::{Judged, RequestPlan};
use crate::gateway::request::side::{RequestSide, request_error, response_error};

/// Maximum memory of an entry in the response and while it is built, in bytes, besides its name.
const BYTES_PER_ENTRY: usize = 256;

impl RequestSide {
    pub(crate) async fn add_partitions(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
    ) -> Result<(), RequestEnd> {
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

    /// Handles WriteTxnMarkers, by which administrators end hanging transactions (KIP-664).
    pub(crate) async fn write_markers(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
    ) -> Result<(), RequestEnd> {
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

    /// Sends a request on, or answers all of it with `reply` if anything in it is refused.
    async fn transaction(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
        judge: Judge,
        reply: impl FnOnce(&Guards, &Bytes) -> Result<Bytes, ResponseError>,
    ) -> Result<(), RequestEnd> {
        let frame = self.take(size).await?;
        let Judged { kept, refused } = self.judged(prefix, &frame, judge).await?;
        if refused.is_empty() {
            let plan = RequestPlan::Forward { kept, response: Some(ResponsePlan::Pass) };
            return self.execute(prefix, &frame, plan, judge).await;
        }
        let elements = elements(prefix, &frame).map_err(|source| request_error(prefix, source))?;
        self.client.charge(2 * frame.len() + elements * BYTES_PER_ENTRY).await;
        if prefix.api_key == versions::ADD_PARTITIONS_TO_TXN {
            self.count_writes(-1, &refused);
        } else {
            self.count(prefix, &refused);
        }
        let reply = reply(&self.guards, &frame).map_err(|source| response_error(prefix, source))?;
        Ok(self.expect(prefix, ResponsePlan::Local(reply)).await?)
    }
}

fn judge_added(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let mut refused = RequestRefusals::default();
    let kept = read_added_partitions(frame, prefix.api_version, |topic| stays(guards, &mut refused, topic))?;
    Ok(Judged { kept, refused })
}

fn judge_markers(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let mut refused = RequestRefusals::default();
    let kept = read_txn_markers(frame, prefix.api_version, |marker| {
        let mut all = true;
        for topic in marker.topics {
            all &= stays(guards, &mut refused, topic)?;
        }
        Ok(all)
    })?;
    Ok(Judged { kept, refused })
}

/// Returns true if clients may write to the topic. Otherwise refuses it.
fn stays(guards: &Guards, refused: &mut RequestRefusals, topic: TopicPartitions) -> Result<bool, WireError> {
    let named = TopicRef::Name(topic.name);
    let Some(guard) = guards.read_only(&named) else { return Ok(true) };
    // The responses to these requests have no messages.
    refused.add(&guard, &named, topic.partitions, String::new).map(|()| false)
}

fn is_read_only(guards: &Guards, topic: &TopicPartitions) -> bool {
    guards.read_only_name(&topic.name).is_some()
}

/// Returns the number of entries of the response, which names all topics of the request.
///
/// # Errors
/// [`WireError::TooMany`] beyond [`MAX_REFUSED`] entries.
fn elements(prefix: RequestPrefix, frame: &Bytes) -> Result<usize, WireError> {
    let mut elements = 0;
    let mut count = |topic: &TopicPartitions| elements += 1 + topic.partitions.len();
    let _: Kept = if prefix.api_key == versions::ADD_PARTITIONS_TO_TXN {
        read_added_partitions(frame, prefix.api_version, |topic| {
            count(&topic);
            Ok(true)
        })?
    } else {
        read_txn_markers(frame, prefix.api_version, |marker: TxnMarker| {
            marker.topics.iter().for_each(&mut count);
            Ok(true)
        })?
    };
    if elements > MAX_REFUSED {
        return Err(WireError::TooMany { what: "entries of a transaction to refuse", limit: MAX_REFUSED });
    }
    Ok(elements)
}
