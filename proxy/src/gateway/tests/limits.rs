//! Each limit is enforced and counted, and affects only the client that exceeds it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::frame::streaming::PIECE;
use crate::gateway::options::ConnectionLimits;
use crate::gateway::response::filler_filter::tests::filler_at;
use crate::gateway::tests::fixture::{Fixture, MIRROR_ID, PATIENCE, Peer, request, response};
use crate::gateway::tests::ordering::{beat, heartbeat, until_closed};
use crate::gateway::tests::produce::produce;

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_millis(200);
/// Version whose responses are always read, because they may name brokers.
const FETCH_VERSION: i16 = 16;

fn fetch(correlation_id: i32) -> Bytes {
    request(ApiKey::Fetch, FETCH_VERSION, correlation_id, &FetchRequest::default())
}

/// Builds a Fetch response with `bytes` bytes of records, of a topic that is no mirror.
fn fetched(correlation_id: i32, bytes: usize) -> Bytes {
    fetched_of(1, correlation_id, vec![7; bytes].into())
}

/// Builds a Fetch response with these records, of the topic with this id.
fn fetched_of(topic: u128, correlation_id: i32, records: Bytes) -> Bytes {
    let partition = PartitionData::default().with_records(Some(records));
    let topic = FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_u128(topic))
        .with_partitions(vec![partition]);
    let body = FetchResponse::default().with_responses(vec![topic]);
    response(ApiKey::Fetch, FETCH_VERSION, correlation_id, &body)
}

fn connections(total: usize, per_address: usize) -> Limits {
    let connections = ConnectionLimits { total, per_address, overrides: Default::default() };
    Limits { connections, ..Limits::default() }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_leave_room_when_they_end() {
    for (limits, cause) in
        [(connections(1, 9), CloseCause::ConnectionLimit), (connections(9, 1), CloseCause::AddressLimit)]
    {
        let fixture = Fixture::with(Limits { drain_timeout: Duration::ZERO, ..limits }).await;
        let (first, _broker, _) = fixture.connected(&heartbeat(1)).await;
        fixture.client().await.closed().await;
        until_closed(&fixture, cause).await;
        assert_eq!(fixture.metrics.open_connections(), 1);
        drop(first);
        until_closed(&fixture, CloseCause::ClientClosed).await;
        // The place is given back a moment after the close is counted.
        let again = async {
            loop {
                let mut client = fixture.client().await;
                client.send(&heartbeat(2)).await;
                if timeout(SOON, fixture.broker.accept()).await.is_ok() {
                    return;
                }
            }
        };
        timeout(PATIENCE, again).await.unwrap();
        fixture.stop().await;
    }
}

/// Given a request that arrives a byte at a time, when the gateway has waited for it too long, then it closes
/// the connection and the connection to the broker, whether the request is streamed or held.
#[tokio::test]
async fn a_request_that_trickles_in_closes_the_connection() {
    let limits = Limits { request_arrival_timeout: SOON, ..Limits::default() };
    let read_whole = request(ApiKey::Produce, 9, 1, &produce(9, -1, &["mirror"]));
    for frame in [heartbeat(1), read_whole] {
        let fixture = Fixture::with(limits.clone()).await;
        let mut client = fixture.client().await;
        client.0.write_u32(frame.len() as u32).await.unwrap();
        let begun = Instant::now();
        for byte in frame.iter() {
            if client.0.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        until_closed(&fixture, CloseCause::SlowRequest).await;
        assert!(begun.elapsed() < PATIENCE);
        let mut broker = fixture.accept().await;
        let _ = tokio::io::copy(&mut broker.0, &mut tokio::io::sink()).await;
        fixture.stop().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_waits_for_an_answer_is_not() {
    let fixture = Fixture::with(Limits { idle_timeout: SOON, ..Limits::default() }).await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    sleep(4 * SOON).await;
    assert_eq!(fixture.metrics.closed_by(CloseCause::Idle), 0);
    broker.send(&beat(1)).await;
    assert_eq!(client.receive().await, beat(1));
    client.closed().await;
    broker.closed().await;
    until_closed(&fixture, CloseCause::Idle).await;
    fixture.stop().await;
}

/// Given a connection beyond its maximum age, when a response is due, then it is delivered, and no further
/// request is taken.
#[tokio::test]
async fn an_old_connection_ends_between_two_requests() {
    let fixture = Fixture::with(Limits { max_age: Some(SOON), ..Limits::default() }).await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    sleep(2 * SOON).await;
    broker.send(&beat(1)).await;
    assert_eq!(client.receive().await, beat(1));
    broker.closed().await;
    drop(broker);
    client.closed().await;
    until_closed(&fixture, CloseCause::MaxAge).await;
    fixture.stop().await;
}

/// Given a client that requests far more than any buffer holds and never reads, when the broker answers as
/// fast as it can, then the gateway takes no more than the budget and one frame, and closes both sides in the
/// end.
#[tokio::test]
async fn a_client_that_never_reads_holds_bounded_memory_and_is_closed() {
    let limits = Limits { stall_timeout: 3 * SOON, response_buffer_bytes: MIB, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let (mut client, mut broker, _) = fixture.connected(&fetch(0)).await;
    for id in 1..100 {
        client.send(&fetch(id)).await;
    }
    let mut sent = 0;
    let most = async {
        let mut most = 0;
        for id in 0..100 {
            let frame = fetched(id, 4 * MIB);
            // Fails once the gateway has closed the connection.
            if broker.0.write_u32(frame.len() as u32).await.is_err()
                || broker.0.write_all(&frame).await.is_err()
            {
                break;
            }
            sent += 1;
            most = most.max(fixture.metrics.buffered_bytes().1);
        }
        most
    };
    let most = timeout(PATIENCE, most).await.expect("the broker is stuck");
    until_closed(&fixture, CloseCause::SlowReader).await;
    assert!(sent < 20, "{sent} answers of 4 MiB went somewhere");
    assert!(most <= (6 * MIB) as i64, "{most} bytes held");
    assert_eq!(fixture.metrics.buffered_bytes(), (0, 0));
    drop(client);
    fixture.stop().await;
}

/// Given a client that reads slowly, when its response takes far longer than the stall timeout, then it gets
/// all of it.
#[tokio::test]
async fn a_slow_client_that_goes_on_reading_gets_everything() {
    let fixture = Fixture::with(Limits { stall_timeout: 2 * SOON, ..Limits::default() }).await;
    let (mut client, mut broker, _) = fixture.connected(&fetch(1)).await;
    let answer = fetched(1, 3 * MIB);
    let sending = broker.send(&answer);
    let reading = async {
        let begun = Instant::now();
        let mut piece = vec![0; 64 * 1024];
        let mut left = answer.len() + 4;
        while left > 0 {
            left -= client.0.read(&mut piece).await.unwrap();
            sleep(Duration::from_millis(30)).await;
        }
        begun.elapsed()
    };
    let ((), took) = tokio::join!(sending, reading);
    assert!(took > 3 * SOON, "{took:?}");
    fixture.stop().await;
}

/// Lets the gateway find filler in `mirror`. From then on, responses for it are held.
async fn show_filler(fixture: &Fixture) {
    let (mut client, mut broker, _) = fixture.connected(&fetch(1)).await;
    broker.send(&fetched_of(MIRROR_ID, 1, filler_at(0, 5))).await;
    let _ = client.receive().await;
}

/// Given a budget that clients have used up without reading, when another client sends a request, then it
/// waits until the memory is reclaimed from them, and is served. Only the connections that held the memory
/// fail.
#[tokio::test]
async fn memory_is_reclaimed_from_clients_that_do_not_read() {
    let limits = Limits {
        response_buffer_bytes: MIB,
        reclaim_timeout: SOON,
        stall_timeout: PATIENCE,
        ..Limits::default()
    };
    let fixture = Fixture::with(limits).await;
    show_filler(&fixture).await;
    let held = |bytes: usize| fetched_of(MIRROR_ID, 1, vec![7; bytes].into());
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let (client, mut broker, _) = fixture.connected(&fetch(1)).await;
        let _ = broker.0.write_u32(held(8 * MIB).len() as u32).await;
        // One response holds the budget, the other has exceeded it.
        let writing = tokio::spawn(async move {
            let _ = broker.0.write_all(&held(8 * MIB)).await;
        });
        stuck.push((client, writing));
    }
    let (mut client, mut broker, _) = fixture.connected(&fetch(1)).await;
    let answer = held(2 * MIB);
    let ((), received) = tokio::join!(broker.send(&answer), client.receive());
    assert_eq!(received, answer);
    until_closed(&fixture, CloseCause::MemoryReclaimed).await;
    drop(stuck);
    fixture.stop().await;
}

/// Given a client that reads a long response slowly, and so has the budget for long, when a response that
/// must be held waits for budget, then the first gives back what it has and goes on without it.
#[tokio::test]
async fn a_streamed_answer_gives_its_budget_back_when_others_wait() {
    let limits = Limits { response_buffer_bytes: PIECE, reclaim_timeout: PATIENCE, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let (mut slow, mut broker, _) = fixture.connected(&fetch(1)).await;
    let long = fetched(1, 32 * MIB);
    let size = long.len() + 4;
    let sending = tokio::spawn(async move { broker.send(&long).await });
    let mut piece = vec![0; 64 * 1024];
    let mut read = slow.0.read(&mut piece).await.unwrap();
    let in_use = || fixture.metrics.buffered_bytes().1;
    assert!(in_use() > 0, "the answer is not charged");

    // The first one exceeds the budget, the second one waits.
    let (beyond, mut incomplete, _) = fixture.connected(&fetch(1)).await;
    let held = fetched_of(MIRROR_ID, 1, vec![7; PIECE / 4].into());
    incomplete.0.write_u32(held.len() as u32).await.unwrap();
    incomplete.0.write_all(&held[..held.len() / 2]).await.unwrap();
    let (mut client, mut broker, _) = fixture.connected(&fetch(1)).await;
    broker.send(&held).await;
    let mut waiting = tokio::spawn(async move { client.receive().await });
    while read < size {
        read += timeout(PATIENCE, slow.0.read(&mut piece)).await.unwrap().unwrap();
        if read > size / 2 {
            let received = timeout(PATIENCE, &mut waiting).await.expect("it still waits");
            assert_eq!(received.unwrap(), held);
            break;
        }
    }
    drop((beyond, incomplete));
    while read < size {
        read += timeout(PATIENCE, slow.0.read(&mut piece)).await.unwrap().unwrap();
    }
    sending.await.unwrap();
    fixture.stop().await;
}

/// Given a budget smaller than each of them, when many clients send requests that must be read whole at the
/// same time, then all are answered, one after another, and none is refused.
#[tokio::test]
async fn requests_larger_than_the_budget_pass_one_after_another() {
    // No request blocks the others for long, but the machine may be slow.
    let limits = Limits { request_buffer_bytes: 64 * 1024, reclaim_timeout: PATIENCE, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let mut large = produce(9, -1, &["mirror"]);
    large.topic_data[0].partition_data[0].records = Some(vec![7; MIB].into());
    let frame = request(ApiKey::Produce, 9, 5, &large);
    let one = || async {
        let mut client = fixture.client().await;
        client.send(&frame).await;
        let answer = client.receive().await;
        assert_eq!(answer[..4], [0, 0, 0, 5]);
    };
    let all = futures::future::join_all((0..20).map(|_| one()));
    let _ = timeout(PATIENCE, all).await.expect("they lock each other out");
    assert_eq!(fixture.metrics.buffered_bytes(), (0, 0));
    fixture.stop().await;
}

/// Given a client whose writes are refused and that reads none of the responses, when it goes on sending,
/// then the responses that wait for it are bounded in bytes, not only in number.
#[tokio::test]
async fn answers_of_the_gateway_itself_are_charged_until_they_are_read() {
    let limits = Limits { request_buffer_bytes: MIB, stall_timeout: 3 * SOON, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let mut wide = produce(9, -1, &["mirror"]);
    wide.topic_data[0].partition_data =
        (0..10_000).map(|index| wide.topic_data[0].partition_data[0].clone().with_index(index)).collect();
    let frame = request(ApiKey::Produce, 9, 5, &wide);
    let mut client = fixture.client().await;
    let mut most = 0;
    let asking = async {
        loop {
            if client.0.write_u32(frame.len() as u32).await.is_err()
                || client.0.write_all(&frame).await.is_err()
            {
                return;
            }
            most = most.max(fixture.metrics.buffered_bytes().0);
        }
    };
    timeout(PATIENCE, asking).await.expect("never closed");
    until_closed(&fixture, CloseCause::SlowReader).await;
    // The response to one request exceeds the budget: 10,000 times the message, and the structures that it is
    // built of.
    assert!(most <= (9 * MIB) as i64, "{most} bytes held");
    fixture.stop().await;
}

/// Given connections that end abruptly in different ways, when they are gone, then nothing of them is left:
/// no task, no connection to the broker, and no count.
#[tokio::test]
async fn half_closed_and_reset_connections_leave_nothing_behind() {
    let limits = Limits { drain_timeout: SOON, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(0)).await;
    broker.send(&beat(0)).await;
    assert_eq!(client.receive().await, beat(0));
    let tasks = fixture.handle.tasks();
    let mut brokers = Vec::new();
    for round in 0..12 {
        let (mut client, broker, _) = fixture.connected(&heartbeat(1)).await;
        match round % 4 {
            // Half closed, with a response due that never comes.
            0 => client.0.shutdown().await.unwrap(),
            // Reset.
            1 => client.0.set_zero_linger().unwrap(),
            // Reset inside a request.
            2 => {
                client.0.write_all(&[0, 0, 1, 0, 0, 18]).await.unwrap();
                client.0.set_zero_linger().unwrap();
            }
            // Half closed inside a request that is read whole.
            _ => {
                let frame = request(ApiKey::Produce, 9, 1, &produce(9, -1, &["mirror"]));
                client.0.write_u32(frame.len() as u32).await.unwrap();
                client.0.write_all(&frame[..frame.len() - 1]).await.unwrap();
                client.0.shutdown().await.unwrap();
            }
        }
        if round % 4 != 0 {
            drop(client);
        }
        brokers.push(broker);
    }
    for mut broker in brokers {
        let mut sink = tokio::io::sink();
        let ended = tokio::io::copy(&mut broker.0, &mut sink);
        let _ = timeout(PATIENCE, ended).await.expect("a connection to the broker is left");
    }
    let gone = async {
        while fixture.handle.tasks() > tasks || fixture.metrics.open_connections() > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a task is left");
    assert_eq!(fixture.handle.connections().page(0, 10, |_| true).len(), 1);
    client.send(&heartbeat(2)).await;
    assert_eq!(broker.receive().await, heartbeat(2));
    fixture.stop().await;
}

/// Given clients that claim large requests and send hardly anything of them, then no memory is charged for
/// the claims, other clients are served, and the gateway stops in time all the same.
#[tokio::test]
async fn a_claimed_size_costs_nothing() {
    let limits = Limits { request_buffer_bytes: MIB, drain_timeout: SOON, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let mut claiming: Vec<Peer> = Vec::new();
    for _ in 0..50 {
        let mut client = fixture.client().await;
        // A Produce request of 100 MB, of which only the header arrives.
        client
            .0
            .write_all(&[5, 0xf5, 0xe1, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0xff])
            .await
            .unwrap();
        claiming.push(client);
    }
    sleep(SOON).await;
    let (requests, _) = fixture.metrics.buffered_bytes();
    assert!(requests <= 50 * 16 * 1024, "{requests} bytes charged for claims");
    let mut client = fixture.client().await;
    client.send(&request(ApiKey::Produce, 9, 5, &produce(9, -1, &["mirror"]))).await;
    assert_eq!(client.receive().await[..4], [0, 0, 0, 5]);
    fixture.stop().await;
}
