//! Large Fetch answers, streamed: filler is hidden on the way, and no answer is held.
//!
//! The size of the frame and of each partition's records has been told by the time that the first filler shows. So the records
//! behind it, to the end of their partition, are filtered as a whole, and what is missing then looks like the part of a batch
//! that a broker cuts at its byte limit: every client leaves that out and asks again. From then on the topic is known to hold
//! filler, and its answers are held and filtered instead of being filled up.

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::batch::{BatchHeader, HEADER_LEN};
use crate::wire::fetch_response::{
    blank_endpoints, is_flexible, read_end, read_to_records, read_top, read_topic,
};
use crate::wire::filler::Mark;
use crate::wire::frame::SIZE_BYTES;
use crate::wire::primitive::{Reader, WireError};
use crate::wire::walk::{cut_batch, walk};

use super::error::SessionError;
use super::fetch_filter::{hide_in, mark_in};
use super::rewrite::Rewriter;
use super::through::Through;

/// Passes a Fetch answer on as it arrives. `false`, and nothing is written: its first topic is known to hold filler.
pub(super) async fn stream(
    mut through: Through<'_>,
    rewriter: &Rewriter,
    version: i16,
) -> Result<bool, SessionError> {
    let top = |reader: &mut Reader| read_header(reader, version);
    let first = |reader: &mut Reader| match top(reader)? {
        0 => Ok(None),
        _ => read_topic(reader, version).map(|(topic, _)| Some(topic)),
    };
    let (first, _) = through.peek(first).await?;
    let guards = &rewriter.guards;
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

/// Reads the size, the header and what stands before the topics; how many there are.
fn read_header(reader: &mut Reader, version: i16) -> Result<usize, WireError> {
    let _ = reader.skip("size and correlation id", SIZE_BYTES + 4)?;
    if is_flexible(version) {
        reader.skip_tags()?;
    }
    read_top(reader, version)
}

async fn skip_tags(through: &mut Through<'_>, version: i16) -> Result<(), SessionError> {
    if is_flexible(version) { through.read(Reader::skip_tags).await } else { Ok(()) }
}

/// Passes the `length` bytes of records of a guarded partition, and hides its filler.
async fn pass_records(
    through: &mut Through<'_>,
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
            "filler met in a streamed answer: from now on, answers are held for it"
        );
    }
    let records = through.take(rest).await?;
    let filtered = hide_in(guard, index, &records, &mut through.sifting(rest)).await;
    let Some(filtered) = filtered else { return through.put(vec![records]).await };
    rewriter.metrics.hidden(&guard.topic, filtered.hidden);
    match filled_up(filtered.pieces, rest, last_epoch(&records), rest < length) {
        Some(pieces) => through.put(pieces).await,
        None => Err(SessionError::FillerInTheWay { topic: guard.topic.clone() }),
    }
}

/// How many of the `rest` bytes that begin with `front` pass; `None` where a batch must be looked into.
fn passes(front: &[u8], rest: usize, mark: impl Fn(&BatchHeader) -> Mark) -> Option<usize> {
    match BatchHeader::parse(front) {
        Ok(header) if header.total_len() <= rest => (mark(&header) == Mark::Real).then(|| header.total_len()),
        // Cut, or not of this format: the client's to judge.
        _ => Some(rest),
    }
}

/// The leader epoch of the last whole batch: what is cut behind it cannot have been written in an older one.
fn last_epoch(records: &Bytes) -> i32 {
    walk(records).filter_map(Result::ok).last().map_or(-1, |batch| batch.header.partition_leader_epoch)
}

/// The pieces, made `length` bytes long. What a batch has grown beyond that, when it was written anew, the client gets with its
/// next request; `None` where it would have nothing then: clients do not ask again for records of which no batch is whole.
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
