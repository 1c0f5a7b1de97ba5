//! A Fetch response as a broker sent it: where each partition's records stand, and the same response with some of them
//! replaced, nothing else being decoded or copied. Versions 4 to 18.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::node_endpoints::{read_node_endpoints, write_node_endpoints};
use super::primitive::{Reader, WireError, put_unsigned_varint};
use super::topic_ref::TopicRef;
use super::versions::FETCH;

pub use super::node_endpoints::NodeEndpoint;

/// First version with error code and session id at the top.
const WITH_SESSION: i16 = 7;
/// First version with a log start offset per partition.
const WITH_LOG_START: i16 = 5;
/// First version with a preferred read replica per partition.
const WITH_PREFERRED_REPLICA: i16 = 11;
/// First flexible version.
const FLEXIBLE: i16 = 12;
/// First version that names topics by their id.
const WITH_TOPIC_ID: i16 = 13;
/// First version with node endpoints in tag 0.
const WITH_NODE_ENDPOINTS: i16 = 16;
/// Versions known here.
const KNOWN: std::ops::RangeInclusive<i16> = 4..=18;
/// Tag of the node endpoints.
const NODE_ENDPOINTS_TAG: u32 = 0;
/// A tag that no version gives a meaning. It takes one byte, as that of the node endpoints does.
const UNKNOWN_TAG: u32 = 127;

/// One partition of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPartition {
    /// Index into [`FetchResponse::topics`].
    pub topic: usize,
    /// Partition number.
    pub index: i32,
    /// Where the length of the records and the records stand in the frame.
    pub field: Range<usize>,
    /// Where the records stand; empty for none.
    pub records: Range<usize>,
}

/// A walked response; it shares the frame's memory.
#[derive(Debug, Clone)]
pub struct FetchResponse {
    frame: Bytes,
    flexible: bool,
    /// Topics, as sent.
    pub topics: Vec<TopicRef>,
    /// Partitions of all topics, in the order of the frame.
    pub partitions: Vec<FetchedPartition>,
    /// Where brokers can be reached (KIP-951); only after an answer that the leader is elsewhere.
    pub node_endpoints: Vec<NodeEndpoint>,
    tags: Range<usize>,
}

impl FetchResponse {
    /// Walks the body that begins at byte `body` of `frame` (its size not among the bytes).
    ///
    /// # Errors
    /// [`WireError`] for anything that is no Fetch response of this version.
    pub fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
        let flexible = is_flexible(version);
        let mut reader = Reader::starting_at(frame.clone(), body);
        let count = read_top(&mut reader, version)?;
        let mut topics = Vec::with_capacity(count.min(1024));
        let mut partitions = Vec::new();
        for topic in 0..count {
            let (named, count) = read_topic(&mut reader, version)?;
            topics.push(named);
            for _ in 0..count {
                partitions.push(read_partition(&mut reader, topic, version)?);
            }
            if flexible {
                reader.skip_tags()?;
            }
        }
        let tags = reader.position()..frame.len();
        let endpoints_at = read_end(&mut reader, version)?;
        let node_endpoints = match endpoints_at {
            Some(content) => read_node_endpoints(frame.slice(content))?,
            None => Vec::new(),
        };
        Ok(FetchResponse { frame, flexible, topics, partitions, node_endpoints, tags })
    }

    /// The records of a partition, sharing the frame's memory.
    #[must_use]
    pub fn records(&self, partition: &FetchedPartition) -> Bytes {
        self.frame.slice(partition.records.clone())
    }

    /// The response with other records in some partitions: pieces to be sent one after another, as a frame without its
    /// size. `replaced` gives, by index into `partitions` and ascending, the pieces of the new records;
    /// `node_endpoints` replaces those that were read, where there were any.
    ///
    /// # Errors
    /// [`WireError`] when the tagged fields do not read a second time: never, since they were read before.
    pub fn splice(
        &self,
        replaced: Vec<(usize, Vec<Bytes>)>,
        node_endpoints: &[NodeEndpoint],
    ) -> Result<Vec<Bytes>, WireError> {
        let mut pieces = Vec::with_capacity(replaced.len() * 3 + 2);
        let mut done = 0;
        for (at, records) in replaced {
            let Some(partition) = self.partitions.get(at) else { continue };
            if partition.field.start < done {
                continue;
            }
            pieces.push(self.frame.slice(done..partition.field.start));
            pieces.push(self.length_of(&records));
            pieces.extend(records);
            done = partition.field.end;
        }
        if self.node_endpoints.is_empty() {
            pieces.push(self.frame.slice(done..));
        } else {
            pieces.push(self.frame.slice(done..self.tags.start));
            pieces.push(with_tags(&self.frame, self.tags.start, |tag, content| match tag {
                NODE_ENDPOINTS_TAG => (tag, write_node_endpoints(node_endpoints)),
                _ => (tag, content),
            })?);
        }
        Ok(pieces)
    }

    fn length_of(&self, records: &[Bytes]) -> Bytes {
        let length = records.iter().map(Bytes::len).sum::<usize>();
        // Replacements are never longer than a frame, which is an i32.
        let length = u32::try_from(length).unwrap_or(u32::MAX - 1);
        let mut out = BytesMut::with_capacity(5);
        if self.flexible {
            put_unsigned_varint(&mut out, length + 1);
        } else {
            out.put_u32(length);
        }
        out.freeze()
    }
}

/// Whether an answer of this version has tagged fields.
pub fn is_flexible(version: i16) -> bool {
    version >= FLEXIBLE
}

/// Reads what stands before the topics; how many there are.
///
/// # Errors
/// [`WireError`] for anything that no Fetch response of this version begins with.
pub fn read_top(reader: &mut Reader, version: i16) -> Result<usize, WireError> {
    if !KNOWN.contains(&version) {
        return Err(WireError::UnsupportedVersion { api_key: FETCH, version });
    }
    let _throttle_ms = reader.i32()?;
    if version >= WITH_SESSION {
        let _error_code = reader.i16()?;
        let _session_id = reader.i32()?;
    }
    let flexible = is_flexible(version);
    // A topic takes a name or id and an empty array of partitions at the least.
    reader.count(flexible, if flexible { 3 } else { 6 })
}

/// Reads what stands before the partitions of a topic; how many there are.
///
/// # Errors
/// [`WireError`] for a name or a count that does not fit.
pub fn read_topic(reader: &mut Reader, version: i16) -> Result<(TopicRef, usize), WireError> {
    let flexible = is_flexible(version);
    let topic = if version >= WITH_TOPIC_ID {
        TopicRef::Id(reader.uuid()?)
    } else {
        TopicRef::Name(reader.string(flexible)?)
    };
    Ok((topic, reader.count(flexible, 23)?))
}

/// Reads a partition up to the length of its records; partition number, and where that length stands.
fn read_partition_top(reader: &mut Reader, version: i16) -> Result<(i32, usize), WireError> {
    let flexible = is_flexible(version);
    let index = reader.i32()?;
    let _error_code = reader.i16()?;
    let _high_watermark = reader.i64()?;
    let _last_stable_offset = reader.i64()?;
    if version >= WITH_LOG_START {
        let _log_start_offset = reader.i64()?;
    }
    for _ in 0..reader.nullable_count(flexible, 16)?.unwrap_or(0) {
        let _ = reader.skip("aborted transaction", 16)?;
        if flexible {
            reader.skip_tags()?;
        }
    }
    if version >= WITH_PREFERRED_REPLICA {
        let _preferred_read_replica = reader.i32()?;
    }
    Ok((index, reader.position()))
}

fn read_partition(reader: &mut Reader, topic: usize, version: i16) -> Result<FetchedPartition, WireError> {
    let (index, start) = read_partition_top(reader, version)?;
    let records = reader.nullable_bytes(is_flexible(version))?;
    let end = reader.position();
    if is_flexible(version) {
        reader.skip_tags()?;
    }
    Ok(FetchedPartition { topic, index, field: start..end, records: records.unwrap_or(end..end) })
}

/// Reads a partition up to its records; its number, and the records' length, of which nothing has been read.
///
/// # Errors
/// [`WireError`] for a length that does not fit.
pub fn read_to_records(reader: &mut Reader, version: i16) -> Result<(i32, usize), WireError> {
    let (index, at) = read_partition_top(reader, version)?;
    let length = reader.bytes_length(is_flexible(version))?.unwrap_or(0);
    let remaining = reader.remaining();
    if length > remaining {
        return Err(WireError::Truncated { field: "records", at, needed: length, remaining });
    }
    Ok((index, length))
}

/// Reads what stands behind the topics, to the end; where the content of the node endpoints stands.
///
/// # Errors
/// [`WireError`] for anything else.
pub fn read_end(reader: &mut Reader, version: i16) -> Result<Option<Range<usize>>, WireError> {
    let mut endpoints_at = None;
    if is_flexible(version) {
        reader.tags(|tag, content| {
            if tag == NODE_ENDPOINTS_TAG && version >= WITH_NODE_ENDPOINTS {
                endpoints_at = Some(content);
            }
        })?;
    }
    reader.finish()?;
    Ok(endpoints_at)
}

/// The tagged fields at the end of an answer, of the same length, without the node endpoints: zeros stand under a tag that
/// nobody knows.
///
/// # Errors
/// [`WireError`] for tagged fields that cannot be read, or are not written as brokers write them.
pub fn blank_endpoints(tags: &Bytes) -> Result<Bytes, WireError> {
    let blanked = with_tags(tags, 0, |tag, content| match tag {
        NODE_ENDPOINTS_TAG => (UNKNOWN_TAG, vec![0; content.len()].into()),
        _ => (tag, content),
    })?;
    match tags.len().checked_sub(blanked.len()) {
        Some(0) => Ok(blanked),
        longer => Err(WireError::TrailingBytes { at: blanked.len(), remaining: longer.unwrap_or(0) }),
    }
}

/// The tagged fields that begin at byte `at`, as `change` makes them.
fn with_tags(
    bytes: &Bytes,
    at: usize,
    change: impl Fn(u32, Bytes) -> (u32, Bytes),
) -> Result<Bytes, WireError> {
    let mut tags = Vec::new();
    Reader::starting_at(bytes.clone(), at).tags(|tag, content| tags.push((tag, content)))?;
    let mut out = BytesMut::new();
    put_unsigned_varint(&mut out, tags.len() as u32);
    for (tag, content) in tags {
        let (tag, content) = change(tag, bytes.slice(content));
        put_unsigned_varint(&mut out, tag);
        put_unsigned_varint(&mut out, content.len() as u32);
        out.put_slice(&content);
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests;
