//! Reads a ShareFetch request (KIP-932) of a client, versions 1 and 2, and builds the same request with more
//! acknowledgements.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::messages::admin_requests::MAX_ELEMENTS;
use crate::wire::protocol::header::read_request_header;
use crate::wire::protocol::primitive::{Reader, WireError, put_count};
use crate::wire::protocol::varint::put_unsigned_varint;
use crate::wire::protocol::versions::SHARE_FETCH;

/// Versions that this module reads.
const KNOWN: RangeInclusive<i16> = 1..=2;
/// First version with an acquire mode and a renewal flag.
const WITH_ACQUIRE_MODE: i16 = 2;
/// Acknowledge type of an offset that holds no record.
const GAP: i8 = 0;

/// Offsets to acknowledge as gaps, by topic id and partition.
pub type Gaps = BTreeMap<([u8; 16], i32), Vec<RangeInclusive<i64>>>;

/// A request that was read. It shares the memory of the frame.
#[derive(Debug, Clone)]
pub struct ShareFetchRequest {
    frame: Bytes,
    /// Epoch of the share session: 0 opens a session, -1 ends it.
    pub session_epoch: i32,
    topics: Vec<ShareTopic>,
    at: Range<usize>,
}

#[derive(Debug, Clone)]
struct ShareTopic {
    id: [u8; 16],
    partitions: Vec<SharePartition>,
    tags: Range<usize>,
}

#[derive(Debug, Clone)]
struct SharePartition {
    index: i32,
    /// First offset of each batch, and the range of its bytes.
    batches: Vec<(i64, Range<usize>)>,
    tags: Range<usize>,
}

impl ShareFetchRequest {
    /// Reads a whole request frame (without its size field).
    ///
    /// # Errors
    /// Fails if the frame is not a valid ShareFetch request of this version.
    pub fn read(frame: Bytes, version: i16) -> Result<Self, WireError> {
        if !KNOWN.contains(&version) {
            return Err(WireError::UnsupportedVersion { api_key: SHARE_FETCH, version });
        }
        let mut reader = Reader::new(frame.clone());
        let _client_id = read_request_header(&mut reader, true)?;
        let _group = reader.nullable_string(true)?;
        let _member = reader.nullable_string(true)?;
        let session_epoch = reader.i32()?;
        // Maximum wait, minimum and maximum bytes, maximum records, batch size.
        let _ = reader.skip("fetch limits", 20)?;
        if version >= WITH_ACQUIRE_MODE {
            let _ = reader.skip("acquire mode", 2)?;
        }
        let start = reader.position();
        let count = reader.count(true, 18)?;
        let mut elements = 0;
        let mut topics = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            topics.push(read_topic(&mut reader, &mut elements)?);
        }
        let at = start..reader.position();
        for _ in 0..reader.count(true, 18)? {
            let _topic = reader.uuid()?;
            let partitions = reader.count(true, 4)?;
            let _ = reader.skip("forgotten partitions", partitions * 4)?;
            reader.skip_tags()?;
        }
        reader.skip_tags()?;
        reader.finish()?;
        Ok(ShareFetchRequest { frame, session_epoch, topics, at })
    }

    /// Returns the frame as the client sent it.
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the same request with these gaps acknowledged too, as pieces to send one after another. The
    /// batches of a partition stay in the order of their offsets, as brokers demand.
    #[must_use]
    pub fn with_gaps(&self, gaps: Gaps) -> Vec<Bytes> {
        let mut by_topic: BTreeMap<[u8; 16], BTreeMap<i32, Vec<RangeInclusive<i64>>>> = BTreeMap::new();
        for ((topic, index), ranges) in gaps {
            let _ = by_topic.entry(topic).or_default().insert(index, ranges);
        }
        let mut topics = BytesMut::new();
        for topic in &self.topics {
            let gaps = by_topic.remove(&topic.id).unwrap_or_default();
            self.put_topic(&mut topics, topic.id, Some(topic), gaps);
        }
        let count = self.topics.len() + by_topic.len();
        for (id, gaps) in by_topic {
            self.put_topic(&mut topics, id, None, gaps);
        }
        let mut counted = BytesMut::new();
        put_count(&mut counted, true, count);
        let (before, after) = (self.frame.slice(..self.at.start), self.frame.slice(self.at.end..));
        vec![before, counted.freeze(), topics.freeze(), after]
    }

    fn put_topic(
        &self,
        out: &mut BytesMut,
        id: [u8; 16],
        sent: Option<&ShareTopic>,
        mut gaps: BTreeMap<i32, Vec<RangeInclusive<i64>>>,
    ) {
        let known = sent.map_or(&[][..], |topic| &topic.partitions);
        let mut partitions = BytesMut::new();
        for partition in known {
            let ranges = gaps.remove(&partition.index).unwrap_or_default();
            self.put_partition(&mut partitions, partition.index, Some(partition), ranges);
        }
        out.put_slice(&id);
        put_count(out, true, known.len() + gaps.len());
        for (index, ranges) in gaps {
            self.put_partition(&mut partitions, index, None, ranges);
        }
        out.put_slice(&partitions);
        self.put_tags(out, sent.map(|topic| &topic.tags));
    }

    fn put_partition(
        &self,
        out: &mut BytesMut,
        index: i32,
        sent: Option<&SharePartition>,
        gaps: Vec<RangeInclusive<i64>>,
    ) {
        out.put_i32(index);
        let mut batches: Vec<(i64, Bytes)> = gaps.iter().map(|gap| (*gap.start(), gap_batch(gap))).collect();
        let known = sent.map_or(&[][..], |partition| &partition.batches);
        batches.extend(known.iter().map(|(first, range)| (*first, self.frame.slice(range.clone()))));
        batches.sort_by_key(|(first, _)| *first);
        put_count(out, true, batches.len());
        for (_, bytes) in batches {
            out.put_slice(&bytes);
        }
        self.put_tags(out, sent.map(|partition| &partition.tags));
    }

    fn put_tags(&self, out: &mut BytesMut, sent: Option<&Range<usize>>) {
        match sent {
            Some(range) => out.put_slice(&self.frame[range.clone()]),
            None => put_unsigned_varint(out, 0u32),
        }
    }
}

fn gap_batch(gap: &RangeInclusive<i64>) -> Bytes {
    let mut out = BytesMut::with_capacity(19);
    out.put_i64(*gap.start());
    out.put_i64(*gap.end());
    // One acknowledge type applies to all offsets of the batch.
    put_count(&mut out, true, 1);
    out.put_i8(GAP);
    put_unsigned_varint(&mut out, 0u32);
    out.freeze()
}

fn read_topic(reader: &mut Reader, elements: &mut usize) -> Result<ShareTopic, WireError> {
    let id = reader.uuid()?;
    let count = reader.count(true, 6)?;
    let mut partitions = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let index = reader.i32()?;
        let batches = reader.count(true, 18)?;
        *elements += 1 + batches;
        if *elements > MAX_ELEMENTS {
            return Err(WireError::TooMany { what: "elements in a request", limit: MAX_ELEMENTS });
        }
        let batches = (0..batches).map(|_| read_batch(reader)).collect::<Result<_, _>>()?;
        partitions.push(SharePartition { index, batches, tags: tags(reader)? });
    }
    Ok(ShareTopic { id, partitions, tags: tags(reader)? })
}

fn read_batch(reader: &mut Reader) -> Result<(i64, Range<usize>), WireError> {
    let start = reader.position();
    let first = reader.i64()?;
    let _last = reader.i64()?;
    let types = reader.count(true, 1)?;
    let _ = reader.skip("acknowledge types", types)?;
    reader.skip_tags()?;
    Ok((first, start..reader.position()))
}

fn tags(reader: &mut Reader) -> Result<Range<usize>, WireError> {
    let start = reader.position();
    reader.skip_tags()?;
    Ok(start..reader.position())
}

#[cfg(test)]
mod tests;
