//! Writes to mirror topics.

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey, HeartbeatRequest, ProduceRequest,
    ProduceResponse, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use state::model::{KafkaUuid, STAMP_TOPIC, TopicGuards, View};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use uuid::Uuid;

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::tests::fixture::{Fixture, MIRROR_ID, PATIENCE, answer, request, response};
use crate::gateway::tests::ordering::{beat, heartbeat, until_closed};

const P: ApiKey = ApiKey::Produce;
const MESSAGE: &str = "Cannot append records to read-only mirror topic 'mirror'. It follows its source over link 'dr': promote it or \
                       fail it over to write to it.";

fn topic_id(name: &str) -> Uuid {
    match name {
        "mirror" => Uuid::from_u128(MIRROR_ID),
        "promoted" => Uuid::from_u128(8),
        _ => Uuid::from_u128(99),
    }
}

pub(crate) fn produce(version: i16, acks: i16, topics: &[&str]) -> ProduceRequest {
    let topic = |name: &&str| {
        let mut topic = TopicProduceData::default();
        if version >= 13 {
            topic.topic_id = topic_id(name);
        } else {
            topic.name = TopicName(StrBytes::from(name.to_string()));
        }
        let partition = |index: i32| {
            PartitionProduceData::default().with_index(index).with_records(Some(Bytes::from(vec![7; 40])))
        };
        topic.with_partition_data(vec![partition(0), partition(3)])
    };
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1000)
        .with_topic_data(topics.iter().map(topic).collect())
}

fn accepted(version: i16, name: &str) -> ProduceResponse {
    let partition = |index: i32| {
        let mut partition = PartitionProduceResponse::default().with_index(index).with_base_offset(500);
        partition.log_start_offset = if version >= 5 { 3 } else { -1 };
        partition
    };
    let mut topic = TopicProduceResponse::default();
    if version >= 13 {
        topic.topic_id = topic_id(name);
    } else {
        topic.name = TopicName(StrBytes::from(name.to_string()));
    }
    topic.partition_responses = vec![partition(0), partition(3)];
    ProduceResponse::default().with_responses(vec![topic]).with_throttle_time_ms(4)
}

/// Asserts that `topic` is the refusal of the mirror topic.
fn is_refusal(topic: &TopicProduceResponse, version: i16) {
    if version >= 13 {
        assert_eq!(topic.topic_id, topic_id("mirror"));
    } else {
        assert_eq!(topic.name.as_str(), "mirror");
    }
    let indexes: Vec<_> = topic.partition_responses.iter().map(|p| p.index).collect();
    assert_eq!(indexes, [0, 3]);
    for partition in &topic.partition_responses {
        assert_eq!((partition.error_code, partition.base_offset), (42, -1));
        let message = partition.error_message.as_ref().map(|text| text.as_str());
        assert_eq!(message, (version >= 8).then_some(MESSAGE), "v{version}");
    }
}

#[tokio::test]
async fn a_request_for_a_mirror_topic_alone_is_answered_here_in_every_version() {
    let fixture = Fixture::start().await;
    for version in 3..=13 {
        let mut client = fixture.client().await;
        client.send(&request(P, version, 31, &produce(version, -1, &["mirror"]))).await;
        let refused: ProduceResponse = answer(client.receive().await, P, version, 31);
        assert_eq!(refused.responses.len(), 1);
        is_refusal(&refused.responses[0], version);
    }
    assert_eq!(fixture.metrics.refused_of("mirror"), 22);
    fixture.stop().await;
}

#[tokio::test]
async fn the_rest_of_a_partly_refused_request_goes_on_and_the_answers_are_merged() {
    let fixture = Fixture::start().await;
    for version in [3, 7, 8, 9, 12, 13] {
        let mixed = request(P, version, 5, &produce(version, 1, &["plain", "mirror"]));
        let (mut client, mut broker, sent_on) = fixture.connected(&mixed).await;
        assert_eq!(sent_on, request(P, version, 5, &produce(version, 1, &["plain"])), "v{version}");
        broker.send(&response(P, version, 5, &accepted(version, "plain"))).await;

        let merged: ProduceResponse = answer(client.receive().await, P, version, 5);
        assert_eq!(merged.responses.len(), 2);
        assert_eq!(merged.responses[0], accepted(version, "plain").responses[0]);
        assert_eq!(merged.throttle_time_ms, 4);
        is_refusal(&merged.responses[1], version);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn transactional_writes_are_refused_too() {
    let fixture = Fixture::start().await;
    let transactional = produce(9, -1, &["mirror"])
        .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("tx"))));
    let mut client = fixture.client().await;
    client.send(&request(P, 9, 1, &transactional)).await;
    let refused: ProduceResponse = answer(client.receive().await, P, 9, 1);
    is_refusal(&refused.responses[0], 9);
    fixture.stop().await;
}

#[tokio::test]
async fn a_transaction_that_names_a_mirror_topic_is_refused_so_that_no_marker_is_written_there() {
    let fixture = Fixture::start().await;
    let key = ApiKey::AddPartitionsToTxn;
    let ask = |names: &[&str]| {
        let topic = |name: &&str| {
            AddPartitionsToTxnTopic::default()
                .with_name(TopicName(StrBytes::from(name.to_string())))
                .with_partitions(vec![0, 2])
        };
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_static_str("tx")))
            .with_v3_and_below_topics(names.iter().map(topic).collect())
    };
    for version in 0..=3 {
        let mut client = fixture.client().await;
        client.send(&request(key, version, 4, &ask(&["plain", "mirror"]))).await;
        let refused: AddPartitionsToTxnResponse = answer(client.receive().await, key, version, 4);
        let codes = |topic: usize| {
            let results = &refused.results_by_topic_v3_and_below[topic].results_by_partition;
            results.iter().map(|result| result.partition_error_code).collect::<Vec<_>>()
        };
        assert_eq!((codes(0), codes(1)), (vec![55, 55], vec![42, 42]));

        let allowed = request(key, version, 4, &ask(&["plain", "promoted"]));
        client.send(&allowed).await;
        assert_eq!(fixture.accept().await.receive().await, allowed);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_refused_acks_0_write_is_dropped_and_counted_and_leaves_no_gap_in_the_responses() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    client.send(&request(P, 9, 1, &produce(9, 0, &["mirror"]))).await;
    client.send(&request(P, 9, 2, &produce(9, 0, &["plain", "mirror"]))).await;
    client.send(&request(P, 9, 3, &produce(9, 0, &["plain"]))).await;
    client.send(&request(P, 9, 4, &produce(9, 1, &["plain"]))).await;

    let mut broker = fixture.accept().await;
    assert_eq!(broker.receive().await, request(P, 9, 2, &produce(9, 0, &["plain"])));
    assert_eq!(broker.receive().await, request(P, 9, 3, &produce(9, 0, &["plain"])));
    assert_eq!(broker.receive().await, request(P, 9, 4, &produce(9, 1, &["plain"])));
    let sent = response(P, 9, 4, &accepted(9, "plain"));
    broker.send(&sent).await;
    assert_eq!(client.receive().await, sent);
    assert_eq!((fixture.metrics.dropped_of("mirror"), fixture.metrics.refused_of("mirror")), (4, 0));
    fixture.stop().await;
}

#[tokio::test]
async fn topics_that_are_no_longer_mirrors_take_writes() {
    let fixture = Fixture::start().await;
    for version in [9, 13] {
        let sent = request(P, version, 1, &produce(version, 1, &["promoted", "plain"]));
        let (_client, _broker, received) = fixture.connected(&sent).await;
        assert_eq!(received, sent);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_promote_takes_effect_on_an_open_connection() {
    let fixture = Fixture::start().await;
    let sent = request(P, 9, 1, &produce(9, 1, &["mirror"]));
    let mut client = fixture.client().await;
    client.send(&sent).await;
    let refused: ProduceResponse = answer(client.receive().await, P, 9, 1);
    is_refusal(&refused.responses[0], 9);

    fixture.guards.send(std::sync::Arc::new(TopicGuards::default())).unwrap();
    client.send(&sent).await;
    assert_eq!(fixture.accept().await.receive().await, sent);
    fixture.stop().await;
}

/// Given a request of which a part was refused and that waits for its turn, when the mirror is promoted
/// meanwhile, then the rest is sent on, and the part stays refused.
#[tokio::test]
async fn a_promote_does_not_close_a_connection_with_a_partly_refused_request() {
    let fixture = Fixture::with(Limits { max_in_flight: 1, ..Limits::default() }).await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    client.send(&heartbeat(2)).await;
    client.send(&request(P, 9, 3, &produce(9, 1, &["plain", "mirror"]))).await;
    assert_eq!(broker.receive().await, heartbeat(2));
    let refused = async {
        while fixture.metrics.refused_of("mirror") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("nothing was refused");
    fixture.guards.send(no_mirrors()).unwrap();
    for id in [1, 2] {
        broker.send(&beat(id)).await;
        assert_eq!(client.receive().await, beat(id));
    }
    assert_eq!(broker.receive().await, request(P, 9, 3, &produce(9, 1, &["plain"])));
    broker.send(&response(P, 9, 3, &accepted(9, "plain"))).await;
    let merged: ProduceResponse = answer(client.receive().await, P, 9, 3);
    is_refusal(&merged.responses[1], 9);
    fixture.stop().await;
}

#[tokio::test]
async fn without_any_mirror_acks_0_is_still_seen_in_a_streamed_request() {
    let fixture = Fixture::start().await;
    fixture.guards.send(std::sync::Arc::new(TopicGuards::default())).unwrap();
    let mut large = produce(9, 0, &["plain"]);
    large.topic_data[0].partition_data[0].records = Some(Bytes::from(vec![1; 3_000_000]));
    let sent = request(P, 9, 1, &large);
    let (mut client, mut broker, received) = fixture.connected(&sent).await;
    assert!(received == sent);
    let heartbeat = request(ApiKey::Heartbeat, 4, 2, &HeartbeatRequest::default());
    client.send(&heartbeat).await;
    assert_eq!(broker.receive().await, heartbeat);
    broker.send(&[0, 0, 0, 2, 0, 9, 9]).await;
    assert_eq!(client.receive().await, &[0, 0, 0, 2, 0, 9, 9][..]);
    fixture.stop().await;
}

/// Builds a request to write to `topics`, the first of which gets 3 MB. Also returns the position at which to
/// cut it.
fn large(version: i16, topics: &[&str]) -> (Bytes, usize) {
    let mut large = produce(version, -1, topics);
    large.topic_data[0].partition_data[0].records = Some(Bytes::from(vec![1; 3_000_000]));
    (request(P, version, 1, &large), 1_000_000)
}

/// Asserts that a request for `topics` reaches the broker before its end is sent.
async fn is_streamed(fixture: &Fixture, version: i16, topics: &[&str]) {
    let (frame, cut) = large(version, topics);
    let mut client = fixture.client().await;
    client.0.write_u32(frame.len() as u32).await.unwrap();
    client.0.write_all(&frame[..cut]).await.unwrap();
    // The front is at the broker before the end is sent.
    let mut broker = fixture.accept().await;
    let mut front = vec![0; cut + 4];
    let _ = timeout(PATIENCE, broker.0.read_exact(&mut front)).await.unwrap().unwrap();
    assert!(front[4..] == frame[..cut], "v{version} {topics:?}");
    client.0.write_all(&frame[cut..]).await.unwrap();
    let mut rest = vec![0; frame.len() - cut];
    let _ = timeout(PATIENCE, broker.0.read_exact(&mut rest)).await.unwrap().unwrap();
    assert!(rest == frame[cut..], "v{version} {topics:?}");
}

#[tokio::test]
async fn with_mirrors_a_request_for_one_other_topic_is_streamed() {
    let fixture = Fixture::start().await;
    for (version, topic) in [(3, "plain"), (9, "plain"), (13, "plain"), (9, "promoted")] {
        is_streamed(&fixture, version, &[topic]).await;
    }
    fixture.stop().await;
}

/// Returns the guards of a daemon without mirrors: only its own topic.
fn no_mirrors() -> std::sync::Arc<TopicGuards> {
    std::sync::Arc::new(TopicGuards::of(&View::default(), KafkaUuid::ZERO))
}

#[tokio::test]
async fn without_any_mirror_a_request_for_several_topics_is_streamed() {
    let fixture = Fixture::start().await;
    fixture.guards.send(no_mirrors()).unwrap();
    for version in [3, 9, 12, 13] {
        is_streamed(&fixture, version, &["plain", "other", "third"]).await;
    }
    fixture.stop().await;
}

/// Given no mirrors and a request that names Linkgate's own topic behind others: if the name has arrived
/// before anything is sent on, the topic is refused. If it comes behind three megabytes, the broker never
/// gets the whole request.
#[tokio::test]
async fn linkgates_own_topic_is_refused_in_a_request_for_several_topics() {
    let fixture = Fixture::start().await;
    fixture.guards.send(no_mirrors()).unwrap();
    let small = request(P, 9, 5, &produce(9, 1, &["plain", STAMP_TOPIC]));
    let (mut client, mut broker, sent_on) = fixture.connected(&small).await;
    assert_eq!(sent_on, request(P, 9, 5, &produce(9, 1, &["plain"])));
    broker.send(&response(P, 9, 5, &accepted(9, "plain"))).await;
    let merged: ProduceResponse = answer(client.receive().await, P, 9, 5);
    let codes = merged.responses.iter().map(|topic| topic.partition_responses[0].error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [0, 42]);

    let (frame, cut) = large(9, &["plain", STAMP_TOPIC]);
    let mut client = fixture.client().await;
    client.0.write_u32(frame.len() as u32).await.unwrap();
    client.0.write_all(&frame[..cut]).await.unwrap();
    let mut broker = fixture.accept().await;
    let mut front = vec![0; 1000];
    let _ = timeout(PATIENCE, broker.0.read_exact(&mut front)).await.expect("it is streamed").unwrap();
    let broker = async {
        let mut taken = Vec::new();
        let _ = timeout(PATIENCE, broker.0.read_to_end(&mut taken)).await.unwrap();
        front.len() + taken.len()
    };
    let (_, taken) = tokio::join!(client.0.write_all(&frame[cut..]), broker);
    assert!(taken < frame.len(), "{taken}");
    until_closed(&fixture, CloseCause::MirrorMeanwhile).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_topic_that_becomes_a_mirror_while_a_request_arrives_gets_none_of_it() {
    for topics in [&["plain"][..], &["plain", "other"]] {
        // Given no mirror at all, and a request of which the first third has arrived.
        let fixture = Fixture::start().await;
        let mirrors = fixture.guards.borrow().clone();
        fixture.guards.send(std::sync::Arc::new(TopicGuards::default())).unwrap();
        let (frame, cut) = large(9, topics);
        let mut client = fixture.client().await;
        client.0.write_u32(frame.len() as u32).await.unwrap();
        client.0.write_all(&frame[..cut]).await.unwrap();
        let mut broker = fixture.accept().await;
        let _size = broker.0.read_u32().await.unwrap();
        // When its topic becomes a mirror.
        let mut guard = mirrors.by_name("mirror").unwrap().clone();
        guard.topic = "plain".into();
        fixture.guards.send(std::sync::Arc::new(TopicGuards::from_guards([guard]))).unwrap();
        let broker = async {
            let mut taken = Vec::new();
            let _ = timeout(PATIENCE, broker.0.read_to_end(&mut taken)).await.unwrap();
            taken.len()
        };
        // The gateway may close before all is sent.
        let (_, taken) = tokio::join!(client.0.write_all(&frame[cut..]), broker);
        // Then the broker never gets the whole request, and the client learns that from the end of the
        // connection.
        assert!(taken < frame.len(), "{taken}");
        until_closed(&fixture, CloseCause::MirrorMeanwhile).await;
        fixture.stop().await;
    }
}

#[tokio::test]
async fn a_version_without_v2_batches_is_answered_with_unsupported_version() {
    let fixture = Fixture::start().await;
    let mut frame = vec![0, 0, 0, 2, 0, 0, 0, 8, 0xff, 0xff];
    frame.extend_from_slice(b"\0\x01\0\0\x03\xe8\0\0\0\x01\0\x05plain\0\0\0\x01\0\0\0\x06\0\0\0\x02ab");
    let mut client = fixture.client().await;
    client.send(&frame).await;
    let refused = client.receive().await;
    let mut expected = b"\0\0\0\x08\0\0\0\x01\0\x05plain\0\0\0\x01\0\0\0\x06\0\x23".to_vec();
    expected.extend_from_slice(&[0xff; 16]);
    expected.extend_from_slice(&[0; 4]);
    assert_eq!(refused, expected);
    fixture.stop().await;
}
