use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, NodeEndpoint as OracleEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchResponse as Oracle, ProducerId, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use crate::wire::messages::fetch_response::*;

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
        let read =
            FetchResponse::read(frame(version, &oracle(version, &[b"one", b"", b"three"])), BODY, version);
        let read = read.unwrap();
        let records: Vec<_> = read.partitions.iter().map(|p| read.records(p)).collect();
        assert_eq!(records, [&b"one"[..], b"", b"three"], "v{version}");
        assert!(matches!(read.topics[0], TopicRef::Id(_)) == (version >= 13));
        assert_eq!(read.node_endpoints.len(), usize::from(version >= 16));
    }
}

#[test]
fn a_spliced_response_equals_the_oracles_encoding() {
    for version in KNOWN {
        let sent = frame(version, &oracle(version, &[b"one", b"two", b"three"]));
        let read = FetchResponse::read(sent.clone(), BODY, version).unwrap();
        let same: Bytes = read.splice(Vec::new(), &read.node_endpoints).unwrap().concat().into();
        assert_eq!(same, sent, "v{version}");

        let long = [7u8; 300];
        let replaced = vec![(0, vec![]), (2, vec![Bytes::from_static(b"x"), Bytes::copy_from_slice(&long)])];
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
            assert!(FetchResponse::read(whole.slice(..cut), BODY, version).is_err(), "v{version} at {cut}");
        }
    }
}

#[test]
fn oversized_counts_are_refused() {
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
    fn arbitrary_bytes_never_panic(version in 3i16..20, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
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
