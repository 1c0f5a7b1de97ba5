//! Builds Produce request bodies that share the record bytes instead of copying them.
//!
//! The body is a list of segments for a vectored write. Everything except the payloads is in one small
//! buffer; the segments between the payloads are slices of it. Version 9 is the first flexible version; every
//! broker since 2.4 has it. Version 13 names topics by id (KIP-516; brokers since 4.1). So a topic that was
//! deleted and created again under the same name gets nothing.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::varint::put_unsigned_varint;

/// Request version that names topics by name.
pub(crate) const PRODUCE_VERSION: i16 = 9;
/// Request version that names topics by id.
pub(crate) const PRODUCE_BY_ID: i16 = 13;
/// Produce's API key.
pub(crate) const PRODUCE_KEY: i16 = 0;

/// One batch for one partition. Header and payload are as [`crate::wire::records::rewrite_header::rewrite_header`] returns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducePartition {
    /// Partition index.
    pub index: i32,
    /// First bytes of the batch. They are copied, so use only the 61 bytes of a header.
    pub header: Bytes,
    /// Rest of the batch; never copied.
    pub payload: Bytes,
}

/// The batches for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedTopic {
    /// Topic name; not sent if the version names topics by id.
    pub name: String,
    /// Topic id; all zero if it is not known.
    pub id: [u8; 16],
    /// Batches of the topic, at most one per partition: a broker refuses more.
    pub partitions: Vec<ProducePartition>,
}

/// Returns the request version for a broker that offers Produce up to `offered`. Topics are named by id if
/// the broker accepts ids and all ids are known.
#[must_use]
pub(crate) fn produce_version(offered: i16, topics: &[EncodedTopic]) -> i16 {
    let by_id = offered >= PRODUCE_BY_ID && topics.iter().all(|topic| topic.id != [0; 16]);
    if by_id { PRODUCE_BY_ID } else { PRODUCE_VERSION }
}

/// Builds the body of a Produce request of this version ([`produce_version`]) with a null transactional id,
/// in segments.
///
/// `timeout_ms` is the time that the broker may wait for replicas (only with acks -1).
#[must_use]
pub(crate) fn produce(version: i16, acks: i16, timeout_ms: i32, topics: &[EncodedTopic]) -> Vec<Bytes> {
    let partitions = topics.iter().map(|topic| topic.partitions.len()).sum::<usize>();
    let names = topics.iter().map(|topic| topic.name.len()).sum::<usize>();
    let mut glue = BytesMut::with_capacity(32 + names + topics.len() * 16 + partitions * 80);
    let mut cuts: Vec<(usize, &Bytes)> = Vec::with_capacity(partitions);

    glue.put_u8(0); // transactional id: null
    glue.put_i16(acks);
    glue.put_i32(timeout_ms);
    put_compact_len(&mut glue, topics.len());
    for topic in topics {
        if version >= PRODUCE_BY_ID {
            glue.put_slice(&topic.id);
        } else {
            put_compact_len(&mut glue, topic.name.len());
            glue.put_slice(topic.name.as_bytes());
        }
        put_compact_len(&mut glue, topic.partitions.len());
        for partition in &topic.partitions {
            glue.put_i32(partition.index);
            put_compact_len(&mut glue, partition.header.len() + partition.payload.len());
            glue.put_slice(&partition.header);
            cuts.push((glue.len(), &partition.payload));
            glue.put_u8(0); // tagged fields of the partition
        }
        glue.put_u8(0); // tagged fields of the topic
    }
    glue.put_u8(0); // tagged fields of the request

    let glue = glue.freeze();
    let mut segments = Vec::with_capacity(cuts.len() * 2 + 1);
    let mut from = 0;
    for (to, payload) in cuts {
        segments.push(glue.slice(from..to));
        if !payload.is_empty() {
            segments.push(payload.clone());
        }
        from = to;
    }
    segments.push(glue.slice(from..));
    segments
}

/// Appends a length of Kafka's compact strings, bytes and arrays: an unsigned varint of the length plus one.
fn put_compact_len(out: &mut BytesMut, len: usize) {
    put_unsigned_varint(out, len as u64 + 1);
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ProduceRequest;
    use kafka_protocol::protocol::Decodable;

    use super::*;

    fn partition(index: i32, header: &'static [u8], payload: Vec<u8>) -> ProducePartition {
        ProducePartition { index, header: Bytes::from_static(header), payload: payload.into() }
    }

    #[test]
    fn the_codec_crate_decodes_the_body() {
        let topics = vec![
            EncodedTopic {
                name: "flights".into(),
                id: [1; 16],
                partitions: vec![
                    partition(0, &[1; 61], vec![2; 66]),
                    partition(7, &[3; 61], vec![]),
                    partition(300, &[4; 61], vec![5; 100_000]),
                ],
            },
            EncodedTopic {
                name: "t".repeat(249),
                id: [2; 16],
                partitions: vec![partition(1, &[6; 61], vec![7; 3])],
            },
            EncodedTopic { name: "none".into(), id: [3; 16], partitions: vec![] },
        ];
        for version in [PRODUCE_VERSION, PRODUCE_BY_ID] {
            let segments = produce(version, 1, 30_000, &topics);
            let mut body = Bytes::from(segments.concat());
            let decoded = ProduceRequest::decode(&mut body, version).unwrap();
            assert!(body.is_empty());
            assert_is(&decoded, &topics, version == PRODUCE_BY_ID);
        }
    }

    fn assert_is(decoded: &ProduceRequest, topics: &[EncodedTopic], by_id: bool) {
        assert!(decoded.transactional_id.is_none());
        assert_eq!((decoded.acks, decoded.timeout_ms), (1, 30_000));
        assert_eq!(decoded.topic_data.len(), topics.len());
        for (got, given) in decoded.topic_data.iter().zip(topics) {
            if by_id {
                assert_eq!(got.topic_id.as_bytes(), &given.id);
            } else {
                assert_eq!(got.name.as_str(), given.name);
            }
            assert_eq!(got.partition_data.len(), given.partitions.len());
            for (got, given) in got.partition_data.iter().zip(&given.partitions) {
                assert_eq!(got.index, given.index);
                assert_eq!(
                    got.records.as_deref(),
                    Some(&[&given.header[..], &given.payload[..]].concat()[..])
                );
            }
        }
    }

    #[test]
    fn topics_are_named_by_id_where_all_ids_are_known_and_the_broker_takes_them() {
        let topic = |id| EncodedTopic { name: "t".into(), id: [id; 16], partitions: vec![] };
        assert_eq!(produce_version(13, &[topic(1), topic(2)]), PRODUCE_BY_ID);
        assert_eq!(produce_version(13, &[topic(1), topic(0)]), PRODUCE_VERSION);
        assert_eq!(produce_version(12, &[topic(1)]), PRODUCE_VERSION);
    }

    #[test]
    fn payloads_are_shared_not_copied() {
        let payload = Bytes::from(vec![9; 1000]);
        let partitions = vec![ProducePartition { index: 0, header: Bytes::new(), payload: payload.clone() }];
        let topic = EncodedTopic { name: "t".into(), id: [0; 16], partitions };
        let segments = produce(PRODUCE_VERSION, 1, 0, &[topic]);
        assert!(segments.iter().any(|segment| segment.as_ptr() == payload.as_ptr()));
    }
}
