//! Reads a Fetch response of a broker, versions 4 to 18. Finds the positions of each partition's records, and
//! builds the same response with some of them replaced. Decodes and copies nothing else.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::node_endpoints::{read_node_endpoints, write_node_endpoints};
use crate::wire::protocol::primitive::{Reader, WireError};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::varint::put_unsigned_varint;
use crate::wire::protocol::versions::FETCH;

pub(crate) use crate::wire::protocol::node_endpoints::NodeEndpoint;

/// First version with an error code and a session id at the top.
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
/// Versions that this module reads.
const KNOWN: std::ops::RangeInclusive<i16> = 4..=18;
/// Tag of the node endpoints.
const NODE_ENDPOINTS_TAG: u32 = 0;
/// A tag that has no meaning in any version. It takes one byte, like the tag of the node endpoints.
const UNKNOWN_TAG: u32 = 127;

/// One partition of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedPartition {
    /// Index into [`FetchResponse::topics`].
    pub topic: usize,
    /// Partition number.
    pub index: i32,
    /// Position of the length of the records and the records in the frame.
    pub field: Range<usize>,
    /// Position of the records in the frame; empty for none.
    pub records: Range<usize>,
}

/// A response that was read. It shares the memory of the frame.
#[derive(Debug, Clone)]
pub(crate) struct FetchResponse {
    frame: Bytes,
    flexible: bool,
    /// Topics, in the order of the frame.
    pub topics: Vec<TopicRef>,
    /// Partitions of all topics, in the order of the frame.
    pub partitions: Vec<FetchedPartition>,
    /// Addresses of brokers (KIP-951). Set only if the response says that a partition has another leader.
    pub node_endpoints: Vec<NodeEndpoint>,
    tags: Range<usize>,
}

impl FetchResponse {
    /// Reads the body that begins at byte `body` of `frame` (without its size field).
    ///
    /// # Errors
    /// Fails if the body is not a valid Fetch response of this version.
    pub(crate) fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
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

    /// Returns the records of a partition. They share the memory of the frame.
    #[must_use]
    pub(crate) fn records(&self, partition: &FetchedPartition) -> Bytes {
        self.frame.slice(partition.records.clone())
    }

    /// Returns the response with other records in some partitions. The result is a frame without its size
    /// field, as pieces to send one after another. `replaced` has the index into `partitions`, in ascending
    /// order, and the pieces of the new records. `node_endpoints` replaces the endpoints that were read, if
    /// there were any.
    ///
    /// # Errors
    /// Fails if the tagged fields cannot be read again. That never happens, because they were read before.
    pub(crate) fn splice(
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
        // Replacements are never longer than a frame, whose length is an i32.
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

/// Returns true if a response of this version has tagged fields.
pub(crate) fn is_flexible(version: i16) -> bool {
    version >= FLEXIBLE
}

/// Reads the fields before the topics, and returns the number of topics.
///
/// # Errors
/// Fails if the fields are not a valid beginning of a Fetch response of this version.
pub(crate) fn read_top(reader: &mut Reader, version: i16) -> Result<usize, WireError> {
    if !KNOWN.contains(&version) {
        return Err(WireError::UnsupportedVersion { api_key: FETCH, version });
    }
    let _throttle_ms = reader.i32()?;
    if version >= WITH_SESSION {
        let _error_code = reader.i16()?;
        let _session_id = reader.i32()?;
    }
    let flexible = is_flexible(version);
    // A topic has at least a name or id and an empty array of partitions.
    reader.count(flexible, if flexible { 3 } else { 6 })
}

/// Reads the fields of a topic before its partitions, and returns the topic and the number of partitions.
///
/// # Errors
/// Fails if the name or the count does not fit.
pub(crate) fn read_topic(reader: &mut Reader, version: i16) -> Result<(TopicRef, usize), WireError> {
    let flexible = is_flexible(version);
    let topic = if version >= WITH_TOPIC_ID {
        TopicRef::Id(reader.uuid()?)
    } else {
        TopicRef::Name(reader.string(flexible)?)
    };
    Ok((topic, reader.count(flexible, 23)?))
}

/// Reads a partition up to the length of its records. Returns the partition number and the position of that
/// length.
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

/// Reads a partition up to its records. Returns the partition number and the length of the records, which are
/// still unread.
///
/// # Errors
/// Fails if a length does not fit.
pub(crate) fn read_to_records(reader: &mut Reader, version: i16) -> Result<(i32, usize), WireError> {
    let (index, at) = read_partition_top(reader, version)?;
    let length = reader.bytes_length(is_flexible(version))?.unwrap_or(0);
    let remaining = reader.remaining();
    if length > remaining {
        return Err(WireError::Truncated { field: "records", at, needed: length, remaining });
    }
    Ok((index, length))
}

/// Reads the fields after the topics, to the end. Returns the range of the node endpoints' content.
///
/// # Errors
/// Fails if other bytes follow.
pub(crate) fn read_end(reader: &mut Reader, version: i16) -> Result<Option<Range<usize>>, WireError> {
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

/// Returns the tagged fields at the end of a response, without the node endpoints but with the same length.
/// Zeros under an unknown tag replace the endpoints.
///
/// # Errors
/// Fails if the tagged fields cannot be read, or if they are not encoded as brokers encode them.
pub(crate) fn blank_endpoints(tags: &Bytes) -> Result<Bytes, WireError> {
    let blanked = with_tags(tags, 0, |tag, content| match tag {
        NODE_ENDPOINTS_TAG => (UNKNOWN_TAG, vec![0; content.len()].into()),
        _ => (tag, content),
    })?;
    match tags.len().checked_sub(blanked.len()) {
        Some(0) => Ok(blanked),
        longer => Err(WireError::TrailingBytes { at: blanked.len(), remaining: longer.unwrap_or(0) }),
    }
}

/// Reads the tagged fields that begin at byte `at`, and writes them as `change` returns them.
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
