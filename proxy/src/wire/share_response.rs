//! ShareFetch and ShareAcknowledge responses (KIP-932) as a broker sent them: where records, acquired offsets and node
//! endpoints stand, and the same response with some of them replaced. Versions 1 and 2.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::node_endpoints::{NodeEndpoint, next_node_endpoints, write_node_endpoints};
use super::primitive::{Reader, WireError, put_count, put_unsigned_varint};
use super::versions::{SHARE_ACKNOWLEDGE, SHARE_FETCH};

/// Versions known here.
const KNOWN: std::ops::RangeInclusive<i16> = 1..=2;
/// First ShareAcknowledge version with the duration of acquisition locks.
const ACKNOWLEDGE_WITH_LOCK: i16 = 2;

/// Offsets that the broker has locked for the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acquired {
    /// First offset.
    pub first: i64,
    /// Last offset, included.
    pub last: i64,
    /// How often they have been delivered, this time included.
    pub delivery_count: i16,
}

/// One partition of a ShareFetch response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPartition {
    /// Id of its topic.
    pub topic: [u8; 16],
    /// Partition number.
    pub index: i32,
    /// Where the records stand; empty for none.
    pub records: Range<usize>,
    /// What was acquired.
    pub acquired: Vec<Acquired>,
    /// From the length of the records to the end of the acquired offsets.
    field: Range<usize>,
}

/// A walked ShareFetch response; it shares the frame's memory.
#[derive(Debug, Clone)]
pub struct ShareFetchResponse {
    frame: Bytes,
    /// Milliseconds for which acquired offsets are locked.
    pub lock_ms: i32,
    /// Partitions of all topics, in the order of the frame.
    pub partitions: Vec<SharedPartition>,
    /// Where brokers can be reached.
    pub node_endpoints: Vec<NodeEndpoint>,
    endpoints_at: Range<usize>,
}

/// Other content for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Index into [`ShareFetchResponse::partitions`].
    pub at: usize,
    /// The records, in pieces.
    pub records: Vec<Bytes>,
    /// What the consumer is told that it acquired.
    pub acquired: Vec<Acquired>,
}

impl ShareFetchResponse {
    /// Walks the body that begins at byte `body` of `frame` (its size not among the bytes).
    ///
    /// # Errors
    /// [`WireError`] for anything that is no ShareFetch response of this version.
    pub fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
        if !KNOWN.contains(&version) {
            return Err(WireError::UnsupportedVersion { api_key: SHARE_FETCH, version });
        }
        let mut reader = Reader::starting_at(frame.clone(), body);
        read_opening(&mut reader)?;
        let lock_ms = reader.i32()?;
        let mut partitions = Vec::new();
        // A topic takes its id, an empty array and tags.
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

    /// The records of a partition, sharing the frame's memory.
    #[must_use]
    pub fn records(&self, partition: &SharedPartition) -> Bytes {
        self.frame.slice(partition.records.clone())
    }

    /// The response with other content in some partitions (ascending) and other node endpoints: pieces to be sent one
    /// after another, as a frame without its size.
    #[must_use]
    pub fn splice(&self, replaced: Vec<Replacement>, node_endpoints: &[NodeEndpoint]) -> Vec<Bytes> {
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

/// A walked ShareAcknowledge response; it shares the frame's memory.
#[derive(Debug, Clone)]
pub struct ShareAcknowledgeResponse {
    frame: Bytes,
    /// Where brokers can be reached.
    pub node_endpoints: Vec<NodeEndpoint>,
    endpoints_at: Range<usize>,
}

impl ShareAcknowledgeResponse {
    /// As [`ShareFetchResponse::read`].
    ///
    /// # Errors
    /// [`WireError`] for anything that is no ShareAcknowledge response of this version.
    pub fn read(frame: Bytes, body: usize, version: i16) -> Result<Self, WireError> {
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

    /// The response with other node endpoints.
    #[must_use]
    pub fn splice(&self, node_endpoints: &[NodeEndpoint]) -> Vec<Bytes> {
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
