use bytes::BytesMut;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest as Oracle, RequestHeader, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;

use crate::wire::messages::produce_scan::*;
use crate::wire::records::batch::BatchHeader;
use crate::wire::records::batch::testing::{batch, header};

fn of_producer(producer_id: i64, value: usize) -> Bytes {
    batch(BatchHeader { producer_id, ..header(0, 1) }, &vec![7; value]).bytes
}

/// Builds a request with these records for each partition of each topic. If `tags` is set, topics and
/// partitions have unknown tagged fields.
fn frame(version: i16, topics: &[Vec<Option<Bytes>>], tags: bool) -> Bytes {
    let tag = |size: usize| (9, Bytes::from(vec![3; size]));
    let topic = |(number, partitions): (usize, &Vec<Option<Bytes>>)| {
        let mut topic = TopicProduceData::default();
        if version >= 13 {
            topic.topic_id = uuid::Uuid::from_u128(number as u128);
        } else {
            topic.name = TopicName(StrBytes::from(format!("topic-{number}")));
        }
        let partition = |(index, records): (usize, &Option<Bytes>)| {
            let data = PartitionProduceData::default().with_index(index as i32).with_records(records.clone());
            if tags && version >= 9 { data.with_unknown_tagged_fields([tag(5000)].into()) } else { data }
        };
        topic.partition_data = partitions.iter().enumerate().map(partition).collect();
        if tags && version >= 9 {
            topic.unknown_tagged_fields = [tag(0), (11, Bytes::from_static(b"x"))].into();
        }
        topic
    };
    let body = Oracle::default().with_acks(1).with_topic_data(topics.iter().enumerate().map(topic).collect());
    let mut out = BytesMut::new();
    let header = RequestHeader::default().with_request_api_version(version);
    header.encode(&mut out, if version >= 9 { 2 } else { 1 }).unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}

/// Returns true if the whole frame passes. Feeds it in pieces of these sizes, in turn.
fn passes(frame: &Bytes, version: i16, sizes: &[usize]) -> bool {
    let mut scan = ProduceScan::new(version, frame.len());
    let (mut rest, mut sizes) = (&frame[..], sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        if scan.feed(piece, |_| true).unwrap() != ScanResult::Good {
            return false;
        }
        rest = after;
    }
    assert!(scan.has_looked() && scan.next == NextField::End, "{scan:?}");
    true
}

#[test]
fn the_first_batch_header_of_every_partition_is_read_for_every_version_and_piece_size() {
    for version in 3..=13 {
        for tags in [false, true] {
            let good = [
                Some(of_producer(7, 900)),
                None,
                Some(of_producer(-1, 0)),
                Some(Bytes::from_static(b"short")),
            ];
            let topics = [good.to_vec(), vec![], good.to_vec()];
            let whole = frame(version, &topics, tags);
            for sizes in [&[usize::MAX][..], &[1], &[3, 700], &[64 * 1024]] {
                assert!(passes(&whole, version, sizes), "v{version} {sizes:?}");
                for (topic, partition) in [(0, 0), (0, 3), (2, 1)] {
                    let mut topics = topics.clone();
                    topics[topic][partition] = Some(of_producer(RESERVED_PRODUCER_ID_BASE, 50));
                    let forged = frame(version, &topics, tags);
                    assert!(!passes(&forged, version, sizes), "v{version} {topic}/{partition} {sizes:?}");
                }
            }
        }
        assert!(passes(&frame(version, &[], false), version, &[usize::MAX]));
    }
}

#[test]
fn a_reserved_producer_id_is_found_in_the_front_of_a_request() {
    let whole = frame(9, &[vec![Some(of_producer(RESERVED_PRODUCER_ID_BASE, 1 << 20))]], false);
    let mut scan = ProduceScan::new(9, whole.len());
    assert_eq!((scan.feed(&whole[..60], |_| true), scan.has_looked()), (Ok(ScanResult::Good), false));
    assert_eq!(scan.feed(&whole[60..4096], |_| true), Ok(ScanResult::Reserved));
}

#[test]
fn may_write_is_called_once_per_topic_until_it_refuses_one() {
    let named = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => name.as_str().to_owned(),
        TopicRef::Id(id) => format!("topic-{}", uuid::Uuid::from_bytes(*id).as_u128()),
    };
    let records = vec![Some(of_producer(7, 900))];
    for version in 3..=13 {
        let whole = frame(version, &[records.clone(), vec![], records.clone(), records.clone()], false);
        for size in [usize::MAX, 1, 700] {
            let mut scan = ProduceScan::new(version, whole.len());
            let mut asked = Vec::new();
            let mut may_write = |topic: &TopicRef| {
                asked.push(named(topic));
                asked.len() < 3
            };
            let mut pieces = whole.chunks(size.min(whole.len()));
            let seen = pieces.find_map(|piece| match scan.feed(piece, &mut may_write) {
                Ok(ScanResult::Good) => None,
                other => Some(other),
            });
            assert_eq!(seen, Some(Ok(ScanResult::Refused)), "v{version} {size}");
            assert_eq!(asked, ["topic-0", "topic-1", "topic-2"], "v{version} {size}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_the_buffer_stays_bounded(
        version in 3i16..14, bytes in prop::collection::vec(any::<u8>(), 0..400), size in 0usize..1000, cut in 1usize..50,
    ) {
        let mut scan = ProduceScan::new(version, size);
        for piece in bytes.chunks(cut) {
            if !matches!(scan.feed(piece, |_| true), Ok(ScanResult::Good)) {
                break;
            }
        }
        prop_assert!(scan.begun.len() <= bytes.len());
    }
}
