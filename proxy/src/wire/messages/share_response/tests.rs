use kafka_protocol::messages::share_acknowledge_response::{
    NodeEndpoint as AcknowledgeEndpoint, PartitionData as AcknowledgePartition, ShareAcknowledgeTopicResponse,
};
use kafka_protocol::messages::share_fetch_response::{
    AcquiredRecords, NodeEndpoint as OracleEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use kafka_protocol::messages::{
    BrokerId, ShareAcknowledgeResponse as AcknowledgeOracle, ShareFetchResponse as Oracle,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use crate::wire::messages::share_response::*;

const BODY: usize = 5;

type Content<'a> = (&'a [u8], Vec<Acquired>);

fn acquired(first: i64, last: i64) -> Acquired {
    Acquired { first, last, delivery_count: 2 }
}

fn oracle(partitions: &[Content<'_>], host: &str, port: i32) -> Oracle {
    let range = |range: &Acquired| {
        AcquiredRecords::default()
            .with_first_offset(range.first)
            .with_last_offset(range.last)
            .with_delivery_count(range.delivery_count)
    };
    let partitions = partitions
        .iter()
        .enumerate()
        .map(|(index, (records, acquired))| {
            PartitionData::default()
                .with_partition_index(index as i32)
                .with_error_message(Some(StrBytes::from_static_str("m")))
                .with_records(Some(Bytes::copy_from_slice(records)))
                .with_acquired_records(acquired.iter().map(range).collect())
        })
        .collect();
    let topic =
        ShareFetchableTopicResponse::default().with_topic_id(Uuid::from_u128(9)).with_partitions(partitions);
    Oracle::default()
        .with_throttle_time_ms(3)
        .with_acquisition_lock_timeout_ms(30_000)
        .with_responses(vec![topic])
        .with_node_endpoints(vec![
            OracleEndpoint::default()
                .with_node_id(BrokerId(2))
                .with_host(StrBytes::from(host.to_owned()))
                .with_port(port),
        ])
}

fn frame(response: &impl Encodable) -> Bytes {
    let mut out = BytesMut::from(&[0; BODY][..]);
    response.encode(&mut out, 1).unwrap();
    out.freeze()
}

fn gateways(endpoints: &[NodeEndpoint]) -> Vec<NodeEndpoint> {
    let moved = |node: &NodeEndpoint| NodeEndpoint { host: "gate".into(), port: 7, ..node.clone() };
    endpoints.iter().map(moved).collect()
}

#[test]
fn a_spliced_response_equals_the_oracles_encoding() {
    let sent: [Content<'_>; 3] =
        [(b"one", vec![acquired(0, 9)]), (b"", vec![]), (b"three", vec![acquired(5, 6), acquired(8, 9)])];
    for version in KNOWN {
        let read = ShareFetchResponse::read(frame(&oracle(&sent, "broker", 1)), BODY, version).unwrap();
        assert_eq!(read.lock_ms, 30_000);
        let records: Vec<_> = read.partitions.iter().map(|p| read.records(p)).collect();
        assert_eq!(records, [&b"one"[..], b"", b"three"]);
        assert_eq!(read.partitions[2].acquired, sent[2].1);
        assert!(read.partitions.iter().all(|p| p.topic == *Uuid::from_u128(9).as_bytes()));

        let long = Bytes::from(vec![7; 300]);
        let replaced = vec![
            Replacement { at: 0, records: vec![], acquired: vec![] },
            Replacement {
                at: 2,
                records: vec![Bytes::from_static(b"x"), long.clone()],
                acquired: vec![acquired(8, 9)],
            },
        ];
        let spliced = read.splice(replaced, &gateways(&read.node_endpoints)).concat();
        let records = [&b"x"[..], &long].concat();
        let expected: [Content<'_>; 3] = [(b"", vec![]), (b"", vec![]), (&records, vec![acquired(8, 9)])];
        assert_eq!(spliced, frame(&oracle(&expected, "gate", 7)));
    }
}

fn acknowledge(host: &str, port: i32) -> AcknowledgeOracle {
    let topic = ShareAcknowledgeTopicResponse::default()
        .with_topic_id(Uuid::from_u128(9))
        .with_partitions(vec![AcknowledgePartition::default().with_partition_index(4).with_error_code(6)]);
    AcknowledgeOracle::default().with_responses(vec![topic]).with_node_endpoints(vec![
        AcknowledgeEndpoint::default()
            .with_node_id(BrokerId(2))
            .with_host(StrBytes::from(host.to_owned()))
            .with_port(port)
            .with_rack(Some(StrBytes::from_static_str("r"))),
    ])
}

#[test]
fn splicing_a_share_acknowledge_response_replaces_its_endpoints() {
    let sent = frame(&acknowledge("broker", 1));
    let read = ShareAcknowledgeResponse::read(sent.clone(), BODY, 1).unwrap();
    assert_eq!(read.splice(&gateways(&read.node_endpoints)).concat(), frame(&acknowledge("gate", 7)));
    // Version 2 has the duration of the acquisition locks before the topics.
    let at = BODY + 7;
    let newer: Bytes = [&sent[..at], &[0, 0, 0x75, 0x30], &sent[at..]].concat().into();
    let read = ShareAcknowledgeResponse::read(newer.clone(), BODY, 2).unwrap();
    assert_eq!(read.splice(&read.node_endpoints).concat(), newer);
}

#[test]
fn every_truncation_is_an_error() {
    let whole = frame(&oracle(&[(b"one", vec![acquired(0, 9)])], "b", 1));
    for cut in 0..whole.len() {
        assert!(ShareFetchResponse::read(whole.slice(..cut), BODY, 1).is_err(), "{cut}");
    }
    let whole = frame(&acknowledge("b", 1));
    for cut in 0..whole.len() {
        assert!(ShareAcknowledgeResponse::read(whole.slice(..cut), BODY, 1).is_err(), "{cut}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(version in 0i16..4, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = ShareFetchResponse::read(bytes.clone(), 0, version);
        let _ = ShareAcknowledgeResponse::read(bytes, 0, version);
    }
}
