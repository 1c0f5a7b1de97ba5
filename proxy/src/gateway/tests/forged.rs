//! Clients that write what only mirroring writes, and batches that cost more than their size suggests.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiKey, FetchRequest, FetchResponse, HeartbeatRequest, ProduceRequest, ProduceResponse,
};
use state::model::{RESERVED_PRODUCER_ID_BASE, TopicGuards};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::gateway::error::CloseCause;
use crate::gateway::tests::fetch::{fetched, joined};
use crate::gateway::tests::fixture::{Fixture, PATIENCE, answer, request, response};
use crate::gateway::tests::ordering::until_closed;
use crate::gateway::tests::produce::produce;
use crate::wire::protocol::varint::put_varint;
use crate::wire::records::batch::testing::{batch, header, put_record};
use crate::wire::records::batch::{BatchHeader, Codec};
use crate::wire::records::compression::compress;
use crate::wire::records::filler::{MIXED_BASE_TIMESTAMP, SENTINEL_TAIL};
use crate::wire::records::walk::walk;

const P: ApiKey = ApiKey::Produce;
const INVALID_RECORD: i16 = 87;

fn of_producer(producer_id: i64, value: usize) -> Option<Bytes> {
    Some(batch(BatchHeader { producer_id, ..header(0, 1) }, &vec![7; value]).bytes)
}

/// Builds a request to write to `topics`. The batch of the topic and partition in `at` has a reserved
/// producer id.
fn forged(version: i16, acks: i16, topics: &[&str], at: (usize, usize)) -> ProduceRequest {
    let mut request = produce(version, acks, topics);
    for topic in &mut request.topic_data {
        for partition in &mut topic.partition_data {
            partition.records = of_producer(1000, 20);
        }
    }
    request.topic_data[at.0].partition_data[at.1].records = of_producer(RESERVED_PRODUCER_ID_BASE + 5, 20);
    request
}

#[tokio::test]
async fn a_batch_with_a_reserved_producer_id_is_refused_on_every_topic_in_every_version() {
    let fixture = Fixture::start().await;
    for version in 3..=13 {
        for (topics, at) in [
            (&["plain"][..], (0, 0)),
            (&["plain"], (0, 1)),
            (&["promoted"], (0, 0)),
            (&["plain", "promoted"], (1, 1)),
            (&["plain", "mirror"], (0, 0)),
        ] {
            let mut client = fixture.client().await;
            client.send(&request(P, version, 31, &forged(version, -1, topics, at))).await;
            let refused: ProduceResponse = answer(client.receive().await, P, version, 31);
            assert_eq!(refused.responses.len(), topics.len(), "v{version} {topics:?}");
            for (number, topic) in refused.responses.iter().enumerate() {
                assert_eq!(topic.partition_responses.len(), 2);
                for (index, partition) in topic.partition_responses.iter().enumerate() {
                    assert_eq!((partition.error_code, partition.base_offset), (INVALID_RECORD, -1));
                    let told = version >= 8 && (number, index) == at;
                    assert_eq!(partition.error_message.is_some(), told, "v{version} {topics:?}");
                }
            }
            // The connection stays open.
            let allowed = request(P, version, 32, &produce(version, -1, &["plain"]));
            client.send(&allowed).await;
            assert_eq!(fixture.accept().await.receive().await, allowed);
        }
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_reserved_producer_id_is_refused_without_mirrors_and_with_acks_0() {
    let fixture = Fixture::start().await;
    fixture.guards.send(std::sync::Arc::new(TopicGuards::default())).unwrap();
    let mut client = fixture.client().await;
    client.send(&request(P, 9, 1, &forged(9, 0, &["plain"], (0, 0)))).await;
    client.send(&request(P, 9, 2, &forged(9, -1, &["plain", "other"], (1, 0)))).await;
    let heartbeat = request(ApiKey::Heartbeat, 4, 3, &HeartbeatRequest::default());
    client.send(&heartbeat).await;
    let refused: ProduceResponse = answer(client.receive().await, P, 9, 2);
    assert_eq!(refused.responses[1].partition_responses[0].error_code, INVALID_RECORD);
    assert_eq!(fixture.accept().await.receive().await, heartbeat, "nothing else came to the broker");
    fixture.stop().await;
}

/// Given a request of which most has been sent on when the forged batch appears, then the broker never gets
/// the whole request.
#[tokio::test]
async fn the_broker_never_gets_the_whole_of_a_forged_streamed_request() {
    for topics in [&["plain"][..], &["plain", "other"]] {
        let fixture = Fixture::start().await;
        fixture.guards.send(std::sync::Arc::new(TopicGuards::default())).unwrap();
        let mut body = forged(9, -1, topics, (topics.len() - 1, 1));
        body.topic_data[0].partition_data[0].records = of_producer(1000, 3_000_000);
        let frame = request(P, 9, 1, &body);
        let mut client = fixture.client().await;
        client.0.write_u32(frame.len() as u32).await.unwrap();
        client.0.write_all(&frame[..1_000_000]).await.unwrap();
        let mut broker = fixture.accept().await;
        let size = broker.0.read_u32().await.unwrap();
        assert_eq!(size as usize, frame.len());
        let taking = async {
            let mut taken = Vec::new();
            let _ = timeout(PATIENCE, broker.0.read_to_end(&mut taken)).await.unwrap();
            taken.len()
        };
        let (_, taken) = tokio::join!(client.0.write_all(&frame[1_000_000..]), taking);
        assert!(taken < frame.len(), "{taken}");
        until_closed(&fixture, CloseCause::ReservedProducerId).await;
        fixture.stop().await;
    }
}

/// Builds a mixed batch of a few KiB that decompresses to `megabytes` MiB.
fn bomb(base_offset: i64, megabytes: usize) -> Bytes {
    let value = megabytes << 20;
    let mut body = vec![0];
    // Timestamp delta, offset delta, and the length of a null key.
    put_varint(&mut body, 5);
    put_varint(&mut body, 1);
    put_varint(&mut body, -1);
    put_varint(&mut body, value as i64);
    body.resize(body.len() + value, 0);
    body.push(0);
    let mut payload = Vec::new();
    put_record(&mut payload, 5, 0, &SENTINEL_TAIL);
    put_varint(&mut payload, body.len() as i64);
    payload.extend_from_slice(&body);
    let header = BatchHeader {
        attributes: Codec::Zstd.attribute(),
        base_timestamp: MIXED_BASE_TIMESTAMP,
        producer_id: RESERVED_PRODUCER_ID_BASE + 7,
        ..header(base_offset, 2)
    };
    batch(header, &compress(Codec::Zstd, &payload).unwrap()).bytes
}

/// Given responses full of such batches for several clients, then other clients are served meanwhile, and
/// each response has only as many batches as it may cost.
#[tokio::test]
async fn decompression_bombs_cost_bounded_time_and_do_not_delay_other_clients() {
    let fixture = Fixture::start().await;
    let first = bomb(0, 100);
    assert!(first.len() < 20_000, "{}", first.len());
    let at = |number: i64| Bytes::from([&(2 * number).to_be_bytes()[..], &first[8..]].concat());
    let bombs: Vec<Bytes> = (0..30).map(at).collect();
    let ask = request(ApiKey::Fetch, 17, 6, &FetchRequest::default());
    let sent = response(ApiKey::Fetch, 17, 6, &fetched(17, &[("mirror", vec![joined(&bombs)])]));
    let mut hungry = Vec::new();
    for _ in 0..4 {
        hungry.push(fixture.connected(&ask).await);
    }
    let heartbeat = request(ApiKey::Heartbeat, 4, 3, &HeartbeatRequest::default());
    let (mut other, mut broker, _) = fixture.connected(&heartbeat).await;

    let (begun, fed) = (Instant::now(), Cell::new(None));
    let feeding = async {
        for (_, broker, _) in &mut hungry {
            broker.send(&sent).await;
        }
        for (client, ..) in &mut hungry {
            let read: FetchResponse = answer(client.receive().await, ApiKey::Fetch, 17, 6);
            let records = read.responses[0].partitions[0].records.clone().unwrap();
            let batches: Vec<_> = walk(&records).map(Result::unwrap).collect();
            assert_eq!(batches.len(), 1, "one alone is more than an answer may cost");
            assert_eq!((batches[0].header.base_offset, batches[0].header.record_count), (0, 1));
        }
        fed.set(Some(begun.elapsed()));
    };
    let pinging = async {
        let mut slowest = Duration::ZERO;
        while fed.get().is_none() {
            let asked = Instant::now();
            broker.send(&[0, 0, 0, 3, 0, 9, 9]).await;
            let _ = other.receive().await;
            slowest = slowest.max(asked.elapsed());
            other.send(&heartbeat).await;
            let _ = broker.receive().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        slowest
    };
    let ((), slowest) = tokio::join!(feeding, pinging);
    // This runtime has one worker. If that worker sifted the batches, the other client would get nothing for
    // a quarter of the time.
    let took = fed.get().unwrap();
    assert!(slowest < took / 6, "{slowest:?} of {took:?}");
    fixture.stop().await;
}
