//! Reads a Produce request of a client, versions 0 to 13. All counts and lengths are checked, and nothing is
//! re-encoded.
//!
//! The reader passes each topic, with its partitions and the positions of their records, to a callback that
//! decides whether the topic stays. [`ProduceRequest::kept`] returns the same request without the topics that
//! do not stay.

use std::ops::Range;

use bytes::Bytes;

use crate::wire::messages::filtered_array::Kept;
use crate::wire::protocol::header::read_request_header;
use crate::wire::protocol::primitive::{Reader, Text, WireError};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions::PRODUCE;

/// Maximum number of partitions in one request. Clients send far fewer, and answers stay small.
pub(crate) const MAX_PARTITIONS: usize = 200_000;

/// First version whose body has a transactional id.
const WITH_TRANSACTIONAL_ID: i16 = 3;
/// First flexible version.
pub(crate) const FLEXIBLE: i16 = 9;
/// First version that names topics by their id.
const WITH_TOPIC_ID: i16 = 13;
/// Last version that this module reads.
const LATEST: i16 = 13;

/// One partition of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecords {
    /// Partition number.
    pub index: i32,
    /// Position of the records in the frame; `None` for null.
    pub records: Option<Range<usize>>,
}

/// One topic of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceTopic {
    /// Name or id of the topic.
    pub topic: TopicRef,
    /// Partitions of the topic, in the order of the request.
    pub partitions: Vec<PartitionRecords>,
}

/// A decoded request. It shares the memory of the frame.
#[derive(Debug, Clone)]
pub struct ProduceRequest {
    frame: Bytes,
    /// Transactional id of the producer; `None` if it has none.
    pub transactional_id: Option<Text>,
    /// Value of `acks`: -1, 1, or 0 if the client wants no response at all.
    pub acks: i16,
    /// The topics that stay in the request.
    pub topics: Kept,
}

/// The fields before the topics.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    transactional_id: Option<Text>,
    acks: i16,
}

pub(crate) fn read_opening(reader: &mut Reader, version: i16) -> Result<Opening, WireError> {
    if !(0..=LATEST).contains(&version) {
        return Err(WireError::UnsupportedVersion { api_key: PRODUCE, version });
    }
    let flexible = version >= FLEXIBLE;
    let _ = read_request_header(reader, flexible)?;
    let transactional_id =
        if version >= WITH_TRANSACTIONAL_ID { reader.nullable_string(flexible)? } else { None };
    let acks = reader.i16()?;
    let _timeout_ms = reader.i32()?;
    Ok(Opening { transactional_id, acks })
}

/// The fields that [`peek`] reads from the first bytes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceFront {
    /// Value of `acks`; see [`ProduceRequest::acks`].
    pub acks: i16,
    /// The topic, if the request has exactly one. `None` also if the front is too short for the topic's name,
    /// or for the minimum size of its partitions.
    pub only_topic: Option<TopicRef>,
}

/// Reads the first bytes of a request frame. The rest of the frame is not needed.
///
/// # Errors
/// Fails if the request is malformed, and with [`WireError::Truncated`] if `front` ends before `acks`.
pub fn peek(front: &Bytes, version: i16) -> Result<ProduceFront, WireError> {
    let mut reader = Reader::new(front.clone());
    let acks = read_opening(&mut reader, version)?.acks;
    Ok(ProduceFront { acks, only_topic: read_only_topic(&mut reader, version).ok().flatten() })
}

fn read_only_topic(reader: &mut Reader, version: i16) -> Result<Option<TopicRef>, WireError> {
    if reader.count(version >= FLEXIBLE, least_of_a_topic(version))? != 1 {
        return Ok(None);
    }
    let (topic, _) = read_topic_opening(reader, version)?;
    Ok(Some(topic))
}

/// Returns the minimum size of a topic in bytes: a name or id, and an empty array of partitions.
pub(crate) fn least_of_a_topic(version: i16) -> usize {
    if version >= FLEXIBLE { 3 } else { 6 }
}

impl ProduceRequest {
    /// Reads a whole request frame (without its size field). `stays` returns true for each topic that stays
    /// in the request.
    ///
    /// # Errors
    /// Fails if the frame is not a valid Produce request of this version, or if `stays` fails.
    pub fn read(
        frame: Bytes,
        version: i16,
        mut stays: impl FnMut(ProduceTopic) -> Result<bool, WireError>,
    ) -> Result<Self, WireError> {
        let mut reader = Reader::new(frame.clone());
        let Opening { transactional_id, acks } = read_opening(&mut reader, version)?;
        let flexible = version >= FLEXIBLE;

        let mut partitions = 0;
        let topics = Kept::read(&mut reader, flexible, least_of_a_topic(version), |reader| {
            let topic = read_topic(reader, version)?;
            partitions += topic.partitions.len().max(1);
            if partitions > MAX_PARTITIONS {
                return Err(WireError::TooMany {
                    what: "partitions in a Produce request",
                    limit: MAX_PARTITIONS,
                });
            }
            stays(topic)
        })?;
        if flexible {
            reader.skip_tags()?;
        }
        reader.finish()?;
        Ok(ProduceRequest { frame, transactional_id, acks, topics })
    }

    /// Returns the request without the topics that do not stay, as pieces to send one after another.
    #[must_use]
    pub fn kept(&self) -> Vec<Bytes> {
        self.topics.pieces(&self.frame)
    }
}

/// Reads the name or id of a topic and the number of its partitions.
pub(crate) fn read_topic_opening(reader: &mut Reader, version: i16) -> Result<(TopicRef, usize), WireError> {
    let flexible = version >= FLEXIBLE;
    let topic = if version >= WITH_TOPIC_ID {
        TopicRef::Id(reader.uuid()?)
    } else {
        TopicRef::Name(reader.string(flexible)?)
    };
    // A partition has at least its index and the length of its records.
    let count = reader.count(flexible, if flexible { 6 } else { 8 })?;
    if count > MAX_PARTITIONS {
        return Err(WireError::TooMany { what: "partitions in a Produce request", limit: MAX_PARTITIONS });
    }
    Ok((topic, count))
}

fn read_topic(reader: &mut Reader, version: i16) -> Result<ProduceTopic, WireError> {
    let flexible = version >= FLEXIBLE;
    let (topic, count) = read_topic_opening(reader, version)?;
    let mut partitions = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let index = reader.i32()?;
        let records = reader.nullable_bytes(flexible)?;
        if flexible {
            reader.skip_tags()?;
        }
        partitions.push(PartitionRecords { index, records });
    }
    if flexible {
        reader.skip_tags()?;
    }
    Ok(ProduceTopic { topic, partitions })
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{ProduceRequest as Oracle, RequestHeader, TopicName, TransactionalId};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn oracle(version: i16, topics: &[(&str, &[i32])]) -> Oracle {
        let topic = |(name, partitions): &(&str, &[i32])| {
            let mut topic = TopicProduceData::default();
            if version >= 13 {
                topic.topic_id = Uuid::from_u128(name.len() as u128);
            } else {
                topic.name = TopicName(StrBytes::from(name.to_string()));
            }
            topic.partition_data = partitions
                .iter()
                .map(|index| {
                    PartitionProduceData::default()
                        .with_index(*index)
                        .with_records(Some(Bytes::from(vec![*index as u8; *index as usize])))
                })
                .collect();
            topic
        };
        Oracle::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("tx"))))
            .with_acks(-1)
            .with_timeout_ms(1500)
            .with_topic_data(topics.iter().map(topic).collect())
    }

    fn frame(version: i16, request: &Oracle) -> Bytes {
        let mut out = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(0)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str("me")))
            .encode(&mut out, if version >= 9 { 2 } else { 1 })
            .unwrap();
        request.encode(&mut out, version).unwrap();
        out.freeze()
    }

    fn joined(pieces: Vec<Bytes>) -> Bytes {
        pieces.concat().into()
    }

    /// Reads a request and collects its topics.
    fn topics(frame: &Bytes, version: i16) -> (ProduceRequest, Vec<ProduceTopic>) {
        let mut topics = Vec::new();
        let read = ProduceRequest::read(frame.clone(), version, |topic| {
            topics.push(topic);
            Ok(true)
        });
        (read.unwrap(), topics)
    }

    fn read(frame: Bytes, version: i16) -> Result<ProduceRequest, WireError> {
        ProduceRequest::read(frame, version, |_| Ok(true))
    }

    #[test]
    fn every_version_reads_what_the_oracle_wrote() {
        for version in 3..=13 {
            let sent = oracle(version, &[("alpha", &[0, 3]), ("be", &[5]), ("c", &[])]);
            let frame = frame(version, &sent);
            let (read, topics) = topics(&frame, version);
            assert_eq!((read.acks, read.transactional_id.as_ref().unwrap().as_str()), (-1, "tx"));
            assert_eq!(peek(&frame.slice(..25), version).unwrap().acks, -1, "v{version}");
            let partitions: Vec<Vec<i32>> =
                topics.iter().map(|t| t.partitions.iter().map(|p| p.index).collect()).collect();
            assert_eq!(partitions, [vec![0, 3], vec![5], vec![]]);
            let records = topics[1].partitions[0].records.clone().unwrap();
            assert_eq!(frame.slice(records), &[5; 5][..]);
            match &topics[0].topic {
                TopicRef::Name(name) => assert!(version < 13 && name.as_str() == "alpha"),
                TopicRef::Id(id) => assert!(version == 13 && *id == *Uuid::from_u128(5).as_bytes()),
            }
        }
    }

    #[test]
    fn the_front_names_the_topic_of_a_single_topic_request() {
        for version in 3..=13 {
            let one = frame(version, &oracle(version, &[("alpha", &[0, 3, 100])]));
            let topic = topics(&one, version).1.remove(0).topic;
            assert_eq!(
                peek(&one.slice(..80), version).unwrap(),
                ProduceFront { acks: -1, only_topic: Some(topic) }
            );
            assert_eq!(peek(&one.slice(..26), version).unwrap().only_topic, None, "v{version}");
            for several in [&[("alpha", &[0][..]), ("be", &[5])][..], &[]] {
                assert_eq!(
                    peek(&frame(version, &oracle(version, several)), version).unwrap().only_topic,
                    None
                );
            }
        }
    }

    #[test]
    fn a_request_without_some_topics_equals_the_oracles_encoding() {
        for version in 3..=13 {
            let all = oracle(version, &[("alpha", &[0, 3]), ("be", &[5]), ("c", &[2])]);
            let sent = frame(version, &all);
            let without = |left_out: &[usize]| {
                let mut at = 0;
                let read = ProduceRequest::read(sent.clone(), version, |_| {
                    at += 1;
                    Ok(!left_out.contains(&at))
                });
                joined(read.unwrap().kept())
            };
            let rest = without(&[2]);
            assert_eq!(
                rest,
                frame(version, &oracle(version, &[("alpha", &[0, 3]), ("c", &[2])])),
                "v{version}"
            );
            assert_eq!(without(&[]), sent);
            let mut none = without(&[1, 2, 3]).slice(12..);
            if version >= 9 {
                none = none.slice(1..);
            }
            assert!(Oracle::decode(&mut none, version).unwrap().topic_data.is_empty());
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for version in [3, 9, 13] {
            let whole = frame(version, &oracle(version, &[("alpha", &[0, 3])]));
            for cut in 0..whole.len() {
                assert!(read(whole.slice(..cut), version).is_err(), "v{version} at {cut}");
            }
            let mut longer = whole.to_vec();
            longer.push(0);
            assert!(read(longer.into(), version).is_err());
        }
    }

    #[test]
    fn an_oversized_topic_count_is_refused() {
        let mut body = BytesMut::from(&frame(9, &oracle(9, &[]))[..]);
        body.truncate(body.len() - 2);
        body.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(matches!(read(body.freeze(), 9), Err(WireError::CountTooLarge { .. })));
    }

    #[test]
    fn an_oversized_partition_count_is_refused() {
        let mut body = BytesMut::from(&frame(3, &oracle(3, &[]))[..]);
        body.truncate(body.len() - 4);
        body.put_slice(b"\0\0\0\x01\0\x01t\x7f\xff\xff\xff");
        assert!(matches!(read(body.freeze(), 3), Err(WireError::CountTooLarge { .. })));
        let mut many = BytesMut::from(&frame(3, &oracle(3, &[]))[..]);
        many.truncate(many.len() - 4);
        many.put_slice(b"\0\0\0\x01\0\x01t");
        many.put_i32(MAX_PARTITIONS as i32 + 1);
        many.resize(many.len() + 8 * (MAX_PARTITIONS + 1), 0);
        assert!(matches!(read(many.freeze(), 3), Err(WireError::TooMany { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(version in -1i16..15, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = peek(&bytes, version);
            let _ = read(bytes, version);
        }

        #[test]
        fn one_changed_byte_never_panics(version in 3i16..14, at: proptest::sample::Index, value: u8) {
            let mut bytes = frame(version, &oracle(version, &[("alpha", &[0, 3]), ("b", &[9])])).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(read) = ProduceRequest::read(bytes.into(), version, |topic| Ok(topic.partitions.len() > 1)) {
                let _ = read.kept();
            }
        }
    }
}
