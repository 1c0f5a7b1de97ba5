//! A Fetch response as a broker sent it: where each partition's records stand, and the same response with some of them
//! replaced, nothing else being decoded or copied. Versions 4 to 18.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::node_endpoints::read_node_endpoints;
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
        if !KNOWN.contains(&version) {
            return Err(WireError::UnsupportedVersion { api_key: FETCH, version });
        }
        let flexible = version >= FLEXIBLE;
        let mut reader = Reader::starting_at(frame.clone(), body);
        let _throttle_ms = reader.i32()?;
        if version >= WITH_SESSION {
            let _error_code = reader.i16()?;
            let _session_id = reader.i32()?;
        }
        // A topic takes a name or id and an empty array of partitions at the least.
        let count = reader.count(flexible, if flexible { 3 } else { 6 })?;
        let mut topics = Vec::with_capacity(count.min(1024));
        let mut partitions = Vec::new();
        for topic in 0..count {
            topics.push(if version >= WITH_TOPIC_ID {
                TopicRef::Id(reader.uuid()?)
            } else {
                TopicRef::Name(reader.string(flexible)?)
            });
            for _ in 0..reader.count(flexible, 23)? {
                partitions.push(read_partition(&mut reader, topic, version)?);
            }
            if flexible {
                reader.skip_tags()?;
            }
        }
        let tags = reader.position()..frame.len();
        let mut endpoints_at = None;
        if flexible {
            reader.tags(|tag, content| {
                if tag == NODE_ENDPOINTS_TAG && version >= WITH_NODE_ENDPOINTS {
                    endpoints_at = Some(content);
                }
            })?;
        }
        reader.finish()?;
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
            pieces.push(self.tags_with(node_endpoints)?);
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

    /// The tagged fields at the end, with other node endpoints.
    fn tags_with(&self, node_endpoints: &[NodeEndpoint]) -> Result<Bytes, WireError> {
        let mut tags = Vec::new();
        Reader::starting_at(self.frame.clone(), self.tags.start)
            .tags(|tag, content| tags.push((tag, content)))?;
        let mut out = BytesMut::new();
        put_unsigned_varint(&mut out, tags.len() as u32);
        for (tag, content) in tags {
            put_unsigned_varint(&mut out, tag);
            let content = if tag == NODE_ENDPOINTS_TAG {
                super::node_endpoints::write_node_endpoints(node_endpoints)
            } else {
                self.frame.slice(content)
            };
            put_unsigned_varint(&mut out, content.len() as u32);
            out.put_slice(&content);
        }
        Ok(out.freeze())
    }
}

fn read_partition(reader: &mut Reader, topic: usize, version: i16) -> Result<FetchedPartition, WireError> {
    let flexible = version >= FLEXIBLE;
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
    let start = reader.position();
    let records = reader.nullable_bytes(flexible)?;
    let end = reader.position();
    if flexible {
        reader.skip_tags()?;
    }
    Ok(FetchedPartition { topic, index, field: start..end, records: records.unwrap_or(end..end) })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, NodeEndpoint as OracleEndpoint, PartitionData,
    };
    use kafka_protocol::messages::{BrokerId, FetchResponse as Oracle, ProducerId, TopicName};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const BODY: usize = 5;

    fn oracle(version: i16, records: &[&[u8]]) -> Oracle {
        let mut topic = FetchableTopicResponse::default();
        if version >= 13 {
            topic.topic_id = Uuid::from_u128(9);
        } else {
            topic.topic = TopicName(StrBytes::from_static_str("t"));
        }
        topic.partitions = records
            .iter()
            .enumerate()
            .map(|(index, records)| {
                PartitionData::default()
                    .with_partition_index(index as i32)
                    .with_high_watermark(90)
                    .with_aborted_transactions(Some(vec![
                        AbortedTransaction::default().with_producer_id(ProducerId(4)).with_first_offset(2),
                    ]))
                    .with_records(Some(Bytes::copy_from_slice(records)))
            })
            .collect();
        let mut response = Oracle::default().with_throttle_time_ms(3).with_responses(vec![topic]);
        if version >= 16 {
            response.node_endpoints = vec![
                OracleEndpoint::default()
                    .with_node_id(BrokerId(2))
                    .with_host(StrBytes::from_static_str("broker"))
                    .with_port(9092)
                    .with_rack(Some(StrBytes::from_static_str("r1"))),
            ];
        }
        response
    }

    fn frame(version: i16, response: &Oracle) -> Bytes {
        let mut out = BytesMut::from(&[0; BODY][..]);
        response.encode(&mut out, version).unwrap();
        out.freeze()
    }

    #[test]
    fn records_are_found_in_every_version() {
        for version in KNOWN {
            let read = FetchResponse::read(
                frame(version, &oracle(version, &[b"one", b"", b"three"])),
                BODY,
                version,
            );
            let read = read.unwrap();
            let records: Vec<_> = read.partitions.iter().map(|p| read.records(p)).collect();
            assert_eq!(records, [&b"one"[..], b"", b"three"], "v{version}");
            assert!(matches!(read.topics[0], TopicRef::Id(_)) == (version >= 13));
            assert_eq!(read.node_endpoints.len(), usize::from(version >= 16));
        }
    }

    #[test]
    fn splicing_gives_what_the_oracle_would_write() {
        for version in KNOWN {
            let sent = frame(version, &oracle(version, &[b"one", b"two", b"three"]));
            let read = FetchResponse::read(sent.clone(), BODY, version).unwrap();
            let same: Bytes = read.splice(Vec::new(), &read.node_endpoints).unwrap().concat().into();
            assert_eq!(same, sent, "v{version}");

            let long = [7u8; 300];
            let replaced =
                vec![(0, vec![]), (2, vec![Bytes::from_static(b"x"), Bytes::copy_from_slice(&long)])];
            let mut endpoints = read.node_endpoints.clone();
            for endpoint in &mut endpoints {
                endpoint.host = "gateway".into();
                endpoint.port = 19092;
            }
            let spliced = read.splice(replaced, &endpoints).unwrap().concat();
            let mut expected = oracle(version, &[b"", b"two", &[&b"x"[..], &long].concat()]);
            for endpoint in &mut expected.node_endpoints {
                endpoint.host = StrBytes::from_static_str("gateway");
                endpoint.port = 19092;
            }
            let decoded = Oracle::decode(&mut Bytes::from(spliced.clone()).slice(BODY..), version).unwrap();
            assert_eq!(decoded, expected, "v{version}");
            assert_eq!(spliced, frame(version, &expected));
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for version in [4, 12, 18] {
            let whole = frame(version, &oracle(version, &[b"one"]));
            for cut in 0..whole.len() {
                assert!(
                    FetchResponse::read(whole.slice(..cut), BODY, version).is_err(),
                    "v{version} at {cut}"
                );
            }
        }
    }

    #[test]
    fn count_blowups_are_refused() {
        let mut body = BytesMut::from(&[0u8; BODY + 10][..]);
        body.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        let read = FetchResponse::read(body.clone().freeze(), BODY, 12);
        assert!(matches!(read, Err(WireError::CountTooLarge { .. })));
        body.truncate(BODY + 10);
        body.put_slice(&[2, 2, b't', 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let read = FetchResponse::read(body.freeze(), BODY, 12);
        assert!(matches!(read, Err(WireError::CountTooLarge { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(version in 3i16..20, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = FetchResponse::read(bytes.into(), 0, version);
        }

        #[test]
        fn one_changed_byte_never_panics(version in 4i16..19, at: proptest::sample::Index, value: u8) {
            let mut bytes = frame(version, &oracle(version, &[b"one", b"two"])).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(read) = FetchResponse::read(bytes.into(), BODY, version) {
                let _ = read.splice(vec![(0, vec![]), (1, vec![])], &[]);
            }
        }
    }
}
