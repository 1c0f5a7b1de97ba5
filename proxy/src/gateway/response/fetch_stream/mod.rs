//! Streams large Fetch responses: hides filler as they pass, without holding a whole response.
//!
//! When the first filler appears, the sizes of the frame and of the partition's records have been sent to the
//! client already. So the rest of the partition's records is filtered as a whole, and the freed bytes are
//! filled with the front of a batch, as if a broker had cut it at its byte limit. Every client drops such a
//! front and fetches again. From then on the topic is known to hold filler, and its responses are held and
//! filtered instead of being filled up.

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::messages::fetch_response::{
    blank_endpoints, is_flexible, read_end, read_to_records, read_top, read_topic,
};
use crate::wire::protocol::frame::SIZE_BYTES;
use crate::wire::protocol::primitive::{Reader, WireError};
use crate::wire::records::batch::{BatchHeader, HEADER_LEN};
use crate::wire::records::filler::FillerKind;
use crate::wire::records::walk::{cut_batch, walk};

use crate::gateway::error::SessionError;
use crate::gateway::frame::streaming::StreamingFrame;
use crate::gateway::response::Rewriter;
use crate::gateway::response::filler_filter::{hide_in, mark_in};

/// Passes a Fetch response on as it arrives. Returns `false`, with nothing written, if its first topic is
/// known to hold filler, or if filler of any topic has ended a connection before.
pub(crate) async fn stream(
    mut through: StreamingFrame<'_>,
    rewriter: &Rewriter,
    version: i16,
) -> Result<bool, SessionError> {
    let guards = &rewriter.guards;
    if guards.is_something_in_the_way() {
        return Ok(false);
    }
    let top = |reader: &mut Reader| read_header(reader, version);
    let first = |reader: &mut Reader| match top(reader)? {
        0 => Ok(None),
        _ => read_topic(reader, version).map(|(topic, _)| Some(topic)),
    };
    let (first, _) = through.peek(first).await?;
    if first.and_then(|topic| guards.of(&topic)).is_some_and(|guard| guards.holds_filler(&guard.topic)) {
        return Ok(false);
    }
    for _ in 0..through.read(top).await? {
        let (topic, partitions) = through.read(|reader| read_topic(reader, version)).await?;
        let guard = guards.of(&topic);
        for _ in 0..partitions {
            let (index, records) = through.read(|reader| read_to_records(reader, version)).await?;
            match &guard {
                None => through.pass(records),
                Some(guard) => pass_records(&mut through, rewriter, (guard, index), records).await?,
            }
            skip_tags(&mut through, version).await?;
        }
        skip_tags(&mut through, version).await?;
    }
    let (endpoints, _) = through.peek(|reader| read_end(reader, version)).await?;
    if endpoints.is_some() {
        let tags = through.take(through.unjudged()).await?;
        let blanked = blank_endpoints(&tags).map_err(|error| through.failed(error))?;
        through.put(vec![blanked]).await?;
    }
    through.finish().await?;
    Ok(true)
}

/// Reads the size, the header and the fields before the topics. Returns the number of topics.
fn read_header(reader: &mut Reader, version: i16) -> Result<usize, WireError> {
    let _ = reader.skip("size and correlation id", SIZE_BYTES + 4)?;
    if is_flexible(version) {
        reader.skip_tags()?;
    }
    read_top(reader, version)
}

async fn skip_tags(through: &mut StreamingFrame<'_>, version: i16) -> Result<(), SessionError> {
    if is_flexible(version) { through.read(Reader::skip_tags).await } else { Ok(()) }
}

/// Passes the `length` bytes of records of a guarded partition, and hides its filler.
async fn pass_records(
    through: &mut StreamingFrame<'_>,
    rewriter: &Rewriter,
    (guard, index): (&TopicGuard, i32),
    length: usize,
) -> Result<(), SessionError> {
    let mut rest = length;
    while rest > 0 {
        let front = through.look(rest.min(HEADER_LEN)).await?;
        let Some(passes) = passes(front, rest, |header| mark_in(guard, index, header)) else { break };
        through.pass(passes);
        rest -= passes;
    }
    if rest == 0 {
        return Ok(());
    }
    if rewriter.guards.note_filler(&guard.topic) {
        tracing::info!(
            topic = guard.topic,
            "found filler in a streamed response; responses for this topic are held whole from now on"
        );
    }
    let records = through.take(rest).await?;
    let filtered = hide_in(guard, index, &records, &mut through.sifting(rest)).await;
    let Some(filtered) = filtered else { return through.put(vec![records]).await };
    rewriter.metrics.hidden(&guard.topic, filtered.hidden);
    match filled_up(filtered.pieces, rest, last_epoch(&records), rest < length) {
        Some(pieces) => through.put(pieces).await,
        None => {
            rewriter.guards.note_in_the_way(&guard.topic);
            Err(SessionError::FillerInTheWay { topic: guard.topic.clone() })
        }
    }
}

/// Returns how many of the `rest` bytes that begin with `front` pass. Returns `None` if the batch must be
/// filtered.
fn passes(front: &[u8], rest: usize, mark: impl Fn(&BatchHeader) -> FillerKind) -> Option<usize> {
    match BatchHeader::parse(front) {
        Ok(header) if header.total_len() <= rest => {
            (mark(&header) == FillerKind::Real).then(|| header.total_len())
        }
        // The batch is cut or of another format: the client has to judge it.
        _ => Some(rest),
    }
}

/// Returns the leader epoch of the last whole batch, or -1. A batch behind it cannot have been written in an
/// older epoch.
fn last_epoch(records: &Bytes) -> i32 {
    walk(records).filter_map(Result::ok).last().map_or(-1, |batch| batch.header.partition_leader_epoch)
}

/// Makes the pieces `length` bytes long. Rewritten batches may have grown. If the pieces are longer than
/// `length`, drops the last ones; the client gets them with its next fetch. Returns `None` if the client
/// would get no batch at all then: clients do not fetch again after records without a whole batch.
fn filled_up(
    mut pieces: Vec<Bytes>,
    length: usize,
    leader_epoch: i32,
    follows_others: bool,
) -> Option<Vec<Bytes>> {
    let mut bytes = pieces.iter().map(Bytes::len).sum::<usize>();
    while bytes > length {
        bytes -= pieces.pop()?.len();
    }
    if pieces.is_empty() && !follows_others {
        return None;
    }
    pieces.push(cut_batch(length - bytes, leader_epoch));
    Some(pieces)
}

#[cfg(test)]
mod tests;
