//! Reads the ShareFetch and ShareAcknowledge responses (KIP-932) of a broker, versions 1 and 2. Finds the
//! positions of records, acquired offsets and node endpoints, and builds the same response with some of them
//! replaced.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::node_endpoints::{NodeEndpoint, next_node_endpoints, write_node_endpoints};
use crate::wire::protocol::primitive::{Reader, WireError, put_count};
use crate::wire::protocol::varint::put_unsigned_varint;
use crate::wire::protocol::versions::{SHARE_ACKNOWLEDGE, SHARE_FETCH};

/// Versions that this module reads.
const KNOWN: std::ops::RangeInclusive<i16> = 1..=2;
/// First ShareAcknowledge version with the duration of acquisition locks.
const ACKNOWLEDGE_WITH_LOCK: i16 = 2;

/// Offsets that the broker has locked for the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    /// First offset.
    pub first: i64,
    /// Last offset, included.
    pub last: i64,
    /// Number of deliveries of these offsets, including this one.
    pub delivery_count: i16,
}

/// One partition of a ShareFetch response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedPartition {
    /// Id of its topic.
    pub topic: [u8; 16],
    /// Partition number.
    pub index: i32,
    /// Position of the records in the frame; empty for none.
    pub records: Range<usize>,
    /// Offsets that the consumer acquired.
    pub acquired: Vec<Acquired>,
    /// Position from the length of the records to the end of the acquired offsets.
    field: Range<usize>,
}

/// A ShareFetch response that was read. It shares the memory of the frame.
#[derive(Debug, Clone)]
pub(crate) struct ShareFetchResponse {
    frame: Bytes,
    /// Duration of the locks on acquired offsets, in ms.
    pub lock_ms: i32,
    /// Partitions of all topics, in the order of the frame.
    pub partitions: Vec<SharedPartition>,
    /// Addresses of brokers (KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
    endpoints_at: Range<usize>,
}

/// New content for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// Index into [`ShareFetchResponse::partitions`].
    pub at: usize,
    /// New records, in pieces.
    pub records: Vec<Bytes>,
    /// Acquired offsets for the consumer.
    pub acquired: Vec<Acquired>,
}

impl ShareFetchResponse {
    /// Reads the body that begins at byte `body` of `frame` (without its size field).
    ///
    /// # Errors
    /// Fails if the body is not a valid ShareFetch response of this version.
    pub(crate) fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
        if !KNOWN.contains(&version) {
            return Err(WireError::UnsupportedVersion { api_key: SHARE_FETCH, version });
        }
        let mut reader = Reader::starting_at(frame.clone(), body);
        read_opening(&mut reader)?;
        let lock_ms = reader.i32()?;
        let mut partitions = Vec::new();
        // A topic has at least its id, an empty array and tags.
        for _ in 0..reader.count(true, 18)? {
            let topic = reader.uuid()?;
            for _ in 0..reader.count(true, 22)? {
                partitions.push(read_partition(&mut reader, topic)?);
            }
            reader.skip_tags()?;
        }
        let (node_endpoints, endpoints_at) = read_end(&mut reader)?;
        Ok(ShareFetchResponse { frame, lock_ms, partitions, node_endpoints, endpoints_at })
    }

    /// Returns the records of a partition. They share the memory of the frame.
    #[must_use]
    pub(crate) fn records(&self, partition: &SharedPartition) -> Bytes {
        self.frame.slice(partition.records.clone())
    }

    /// Returns the response with new content in some partitions (in ascending order of `at`) and with other
    /// node endpoints. The result is a frame without its size field, as pieces to send one after another.
    #[must_use]
    pub(crate) fn splice(&self, replaced: Vec<Replacement>, node_endpoints: &[NodeEndpoint]) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(replaced.len() * 4 + 3);
        let mut done = 0;
        for Replacement { at, records, acquired } in replaced {
            let Some(partition) = self.partitions.get(at).filter(|p| p.field.start >= done) else { continue };
            pieces.push(self.frame.slice(done..partition.field.start));
            let mut length = BytesMut::new();
            put_unsigned_varint(&mut length, records.iter().map(Bytes::len).sum::<usize>() as u64 + 1);
            pieces.push(length.freeze());
            pieces.extend(records);
            pieces.push(write_acquired(&acquired));
            done = partition.field.end;
        }
        pieces.push(self.frame.slice(done..self.endpoints_at.start));
        pieces.push(write_node_endpoints(node_endpoints));
        pieces.push(self.frame.slice(self.endpoints_at.end..));
        pieces
    }
}

/// A ShareAcknowledge response that was read. It shares the memory of the frame.
#[derive(Debug, Clone)]
pub(crate) struct ShareAcknowledgeResponse {
    frame: Bytes,
    /// Addresses of brokers (KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
    endpoints_at: Range<usize>,
}

impl ShareAcknowledgeResponse {
    /// Reads the body that begins at byte `body` of `frame` (without its size field).
    ///
    /// # Errors
    /// Fails if the body is not a valid ShareAcknowledge response of this version.
    pub(crate) fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
        if !KNOWN.contains(&version) {
            return Err(WireError::UnsupportedVersion { api_key: SHARE_ACKNOWLEDGE, version });
        }
        let mut reader = Reader::starting_at(frame.clone(), body);
        read_opening(&mut reader)?;
        if version >= ACKNOWLEDGE_WITH_LOCK {
            let _lock_ms = reader.i32()?;
        }
        for _ in 0..reader.count(true, 18)? {
            let _topic = reader.uuid()?;
            for _ in 0..reader.count(true, 17)? {
                let _index = reader.i32()?;
                read_error(&mut reader)?;
                read_leader(&mut reader)?;
                reader.skip_tags()?;
            }
            reader.skip_tags()?;
        }
        let (node_endpoints, endpoints_at) = read_end(&mut reader)?;
        Ok(ShareAcknowledgeResponse { frame, node_endpoints, endpoints_at })
    }

    /// Returns the response with other node endpoints, as pieces to send one after another.
    #[must_use]
    pub(crate) fn splice(&self, node_endpoints: &[NodeEndpoint]) -> Vec<Bytes> {
        vec![
            self.frame.slice(..self.endpoints_at.start),
            write_node_endpoints(node_endpoints),
            self.frame.slice(self.endpoints_at.end..),
        ]
    }
}

fn read_opening(reader: &mut Reader) -> Result<(), WireError> {
    let _throttle_ms = reader.i32()?;
    read_error(reader)
}

fn read_error(reader: &mut Reader) -> Result<(), WireError> {
    let _error_code = reader.i16()?;
    let _error_message = reader.nullable_string(true)?;
    Ok(())
}

fn read_leader(reader: &mut Reader) -> Result<(), WireError> {
    let _leader_id = reader.i32()?;
    let _leader_epoch = reader.i32()?;
    reader.skip_tags()
}

fn read_partition(reader: &mut Reader, topic: [u8; 16]) -> Result<SharedPartition, WireError> {
    let index = reader.i32()?;
    read_error(reader)?;
    read_error(reader)?;
    read_leader(reader)?;
    let start = reader.position();
    let records = reader.nullable_bytes(true)?;
    let after = reader.position();
    let count = reader.count(true, 19)?;
    let mut acquired = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let (first, last, delivery_count) = (reader.i64()?, reader.i64()?, reader.i16()?);
        reader.skip_tags()?;
        acquired.push(Acquired { first, last, delivery_count });
    }
    let end = reader.position();
    reader.skip_tags()?;
    Ok(SharedPartition {
        topic,
        index,
        records: records.unwrap_or(after..after),
        acquired,
        field: start..end,
    })
}

fn read_end(reader: &mut Reader) -> Result<(Vec<NodeEndpoint>, Range<usize>), WireError> {
    let start = reader.position();
    let endpoints = next_node_endpoints(reader)?;
    let range = start..reader.position();
    reader.skip_tags()?;
    reader.finish()?;
    Ok((endpoints, range))
}

fn write_acquired(acquired: &[Acquired]) -> Bytes {
    let mut out = BytesMut::new();
    put_count(&mut out, true, acquired.len());
    for range in acquired {
        out.put_i64(range.first);
        out.put_i64(range.last);
        out.put_i16(range.delivery_count);
        put_unsigned_varint(&mut out, 0u32);
    }
    out.freeze()
}

#[cfg(test)]
mod tests;
