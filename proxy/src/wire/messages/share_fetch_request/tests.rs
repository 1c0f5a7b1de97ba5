use kafka_protocol::messages::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use kafka_protocol::messages::{GroupId, RequestHeader, ShareFetchRequest as Oracle};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use crate::wire::messages::share_fetch_request::*;

type Batches = Vec<(i64, i64, Vec<i8>)>;

fn oracle(topics: &[(u128, Vec<(i32, Batches)>)]) -> Oracle {
    let batch = |(first, last, types): &(i64, i64, Vec<i8>)| {
        AcknowledgementBatch::default()
            .with_first_offset(*first)
            .with_last_offset(*last)
            .with_acknowledge_types(types.clone())
    };
    let partition = |(index, batches): &(i32, Batches)| {
        FetchPartition::default()
            .with_partition_index(*index)
            .with_acknowledgement_batches(batches.iter().map(batch).collect())
    };
    let topic = |(id, partitions): &(u128, Vec<(i32, Batches)>)| {
        FetchTopic::default()
            .with_topic_id(Uuid::from_u128(*id))
            .with_partitions(partitions.iter().map(partition).collect())
    };
    let forgotten = ForgottenTopic::default().with_topic_id(Uuid::from_u128(7)).with_partitions(vec![1, 2]);
    Oracle::default()
        .with_group_id(Some(GroupId(StrBytes::from_static_str("g"))))
        .with_member_id(Some(StrBytes::from_static_str("m")))
        .with_share_session_epoch(4)
        .with_max_wait_ms(500)
        .with_topics(topics.iter().map(topic).collect())
        .with_forgotten_topics_data(vec![forgotten])
}

fn frame(request: &Oracle) -> Bytes {
    let mut out = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(SHARE_FETCH)
        .with_request_api_version(1)
        .with_client_id(Some(StrBytes::from_static_str("me")))
        .encode(&mut out, 2)
        .unwrap();
    request.encode(&mut out, 1).unwrap();
    out.freeze()
}

fn id(id: u128) -> [u8; 16] {
    *Uuid::from_u128(id).as_bytes()
}

#[test]
fn gaps_are_merged_into_the_acknowledgements_in_offset_order() {
    let own = vec![(10, 12, vec![1, 1, 2]), (30, 39, vec![1])];
    let sent = frame(&oracle(&[(1, vec![(0, own.clone()), (1, vec![])]), (2, vec![])]));
    let read = ShareFetchRequest::read(sent.clone(), 1).unwrap();
    assert_eq!(read.session_epoch, 4);
    assert_eq!(read.with_gaps(Gaps::new()).concat(), sent);

    let gaps = Gaps::from([
        ((id(1), 0), vec![0..=9, 13..=29]),
        ((id(1), 5), vec![3..=3]),
        ((id(9), 2), vec![100..=200]),
    ]);
    let gap = |first, last| (first, last, vec![0]);
    let batches = vec![gap(0, 9), own[0].clone(), gap(13, 29), own[1].clone()];
    let expected = oracle(&[
        (1, vec![(0, batches), (1, vec![]), (5, vec![gap(3, 3)])]),
        (2, vec![]),
        (9, vec![(2, vec![gap(100, 200)])]),
    ]);
    assert_eq!(read.with_gaps(gaps).concat(), frame(&expected));
}

#[test]
fn version_2_has_two_more_bytes_before_the_topics() {
    let sent = frame(&oracle(&[(1, vec![(0, vec![])])]));
    // The client id, tags, group, member, epoch and limits come before the acquire mode.
    let at = 8 + 4 + 1 + 2 + 2 + 4 + 20;
    let newer: Bytes = [&sent[..at], &[1, 0], &sent[at..]].concat().into();
    let read = ShareFetchRequest::read(newer.clone(), 2).unwrap();
    assert_eq!(read.with_gaps(Gaps::new()).concat(), newer);
    let more = read.with_gaps([((id(1), 0), vec![5..=6])].into()).concat();
    assert_eq!(more.len(), newer.len() + 19);
}

#[test]
fn every_truncation_is_an_error() {
    let sent = frame(&oracle(&[(1, vec![(0, vec![(1, 2, vec![1])])])]));
    for cut in 0..sent.len() {
        assert!(ShareFetchRequest::read(sent.slice(..cut), 1).is_err(), "{cut}");
    }
}

#[test]
fn oversized_counts_are_refused() {
    let mut body = frame(&Oracle::default()).to_vec();
    body.truncate(body.len() - 3);
    body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(ShareFetchRequest::read(body.into(), 1), Err(WireError::CountTooLarge { .. })));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(version in 0i16..4, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ShareFetchRequest::read(bytes.into(), version);
    }

    #[test]
    fn one_changed_byte_never_panics(at: proptest::sample::Index, value: u8) {
        let mut bytes = frame(&oracle(&[(1, vec![(0, vec![(1, 2, vec![1])])])])).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(read) = ShareFetchRequest::read(bytes.into(), 1) {
            let _ = read.with_gaps([((id(1), 0), vec![0..=0]), ((id(1), 1), vec![])].into());
        }
    }
}
