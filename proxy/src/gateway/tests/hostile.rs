//! Input that no well-behaved client sends.

use std::time::Duration;

use kafka_protocol::messages::{ApiKey, HeartbeatRequest};
use tokio::io::AsyncWriteExt;

use crate::wire::protocol::varint::put_unsigned_varint;

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::tests::clients::{handshaken, token, verdict};
use crate::gateway::tests::fixture::{Fixture, PATIENCE, request};
use crate::gateway::tests::ordering::{beat, heartbeat, until_closed};
use crate::gateway::tests::produce::produce;

/// Sends raw bytes on a new connection, which the gateway must close for `cause`.
async fn closes(fixture: &Fixture, bytes: &[u8], cause: CloseCause) {
    let mut client = fixture.client().await;
    client.0.write_all(bytes).await.unwrap();
    client.closed().await;
    until_closed(fixture, cause).await;
}

#[tokio::test]
async fn invalid_frame_sizes_close_the_connection() {
    for size in [i32::MAX, -1, i32::MIN, 0, 7, 104_857_601] {
        let fixture = Fixture::start().await;
        closes(&fixture, &size.to_be_bytes(), CloseCause::BadFrame).await;
        fixture.stop().await;
    }
}

#[tokio::test]
async fn unknown_apis_and_versions_close_the_connection() {
    for (key, version) in [(4i16, 0i16), (999, 0), (-1, 0), (3, 99), (3, -1), (1, 3), (17, 2), (18, -1)] {
        let fixture = Fixture::start().await;
        let mut frame = 8i32.to_be_bytes().to_vec();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        closes(&fixture, &frame, CloseCause::UnsupportedApi).await;
        fixture.stop().await;
    }
}

#[tokio::test]
async fn length_bombs_in_produce_close_the_connection_and_nothing_else() {
    let bombs: [(i16, &[u8]); 4] = [
        // A client id, a transactional id, topics, and partitions, each of absurd length.
        (9, &[0x7f, 0xff]),
        (9, &[0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (9, &[0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (3, &[0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b't', 0x7f, 0xff, 0xff, 0xff]),
    ];
    for (version, body) in bombs {
        let fixture = Fixture::start().await;
        let mut frame = (8 + body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1]);
        frame.extend_from_slice(body);
        closes(&fixture, &frame, CloseCause::BadRequest).await;
        fixture.stop().await;
    }
}

#[tokio::test]
async fn a_length_bomb_in_an_api_that_passes_unread_reaches_the_broker() {
    let fixture = Fixture::start().await;
    // A Metadata v12 request that claims four billion topics.
    let frame = [0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let (_client, _broker, received) = fixture.connected(&bytes::Bytes::copy_from_slice(&frame)).await;
    assert_eq!(received, &frame[..]);
    fixture.stop().await;
}

/// The gateway reads the front of some requests to learn about the client. What it cannot read there passes
/// like everything else.
#[tokio::test]
async fn length_bombs_in_requests_that_are_only_observed_reach_the_broker() {
    let bombs: [(i16, i16, &[u8]); 6] = [
        // A client id of 32,767 bytes that are missing, and one of negative length.
        (3, 0, &[0x7f, 0xff]),
        (3, 0, &[0x80, 0]),
        // Tagged fields of absurd number, and a software name of absurd length.
        (18, 3, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (18, 3, &[0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        // A mechanism and a token of absurd length.
        (17, 1, &[0xff, 0xff, 0x7f, 0xff, b'P']),
        (36, 2, &[0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];
    let fixture = Fixture::start().await;
    for (key, version, body) in bombs {
        let mut frame = [key.to_be_bytes(), version.to_be_bytes(), [0, 0], [0, 1]].concat();
        frame.extend_from_slice(body);
        let (_client, _broker, received) = fixture.connected(&frame.clone().into()).await;
        assert_eq!(received, frame, "api key {key}");
    }
    fixture.stop().await;
}

/// Given tagged fields nested in tagged fields, a level for every few bytes, and as many topics as fit, then
/// nothing recurses, nothing takes long, and excess is refused.
#[tokio::test]
async fn nested_tagged_fields_and_a_million_topics_do_no_harm() {
    let mut nested = Vec::new();
    for depth in 0..20_000u32 {
        let mut level = vec![1, 0];
        put_unsigned_varint(&mut level, (depth * 5).min(100_000));
        nested = [level, nested].concat();
        if nested.len() > 30_000 {
            break;
        }
    }
    let mut front = vec![0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff];
    // One tagged field in the header, with all the levels in it.
    front.push(1);
    front.push(0);
    put_unsigned_varint(&mut front, nested.len() as u64);
    front.extend_from_slice(&nested);
    let mut legal = front.clone();
    // No transactional id, acks -1, timeout, no topics, no tagged fields.
    legal.extend_from_slice(&[0, 0xff, 0xff, 0, 0, 0, 1, 1, 0]);
    let fixture = Fixture::start().await;
    let (_client, _broker, received) = fixture.connected(&legal.clone().into()).await;
    assert_eq!(received, legal);

    // A million topics without partitions.
    let mut wide = front;
    wide.extend_from_slice(&[0, 0xff, 0xff, 0, 0, 0, 1]);
    put_unsigned_varint(&mut wide, 1_000_001u64);
    for _ in 0..1_000_000 {
        wide.extend_from_slice(&[2, b't', 1, 0]);
    }
    wide.push(0);
    let mut frame = (wide.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&wide);
    let begun = std::time::Instant::now();
    closes(&fixture, &frame, CloseCause::BadRequest).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    fixture.stop().await;
}

/// Sends every truncation of a request that is read whole and of one that passes, and then ends the stream.
#[tokio::test]
async fn truncated_frames_close_the_connection_and_leave_nothing_behind() {
    let fixture =
        Fixture::with(Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() }).await;
    let whole_read = request(ApiKey::Produce, 9, 1, &produce(9, -1, &["mirror"]));
    let passed = request(ApiKey::Heartbeat, 4, 1, &HeartbeatRequest::default());
    let broker = async {
        let mut open = Vec::new();
        loop {
            open.push(fixture.accept().await);
        }
    };
    let clients = async {
        for frame in [whole_read, passed] {
            let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
            bytes.extend_from_slice(&frame);
            for cut in 1..bytes.len() {
                let mut client = fixture.client().await;
                client.0.write_all(&bytes[..cut]).await.unwrap();
                client.0.shutdown().await.unwrap();
                client.closed().await;
            }
        }
    };
    tokio::select! {
        () = clients => {}
        () = broker => {}
    }
    until_none_is_open(&fixture).await;
    fixture.stop().await;
}

/// Given an authenticated client, when it sends garbage, then its connection is closed, and other connections
/// go on.
#[tokio::test]
async fn garbage_after_authentication_closes_that_connection_only() {
    let garbage: [(&[u8], CloseCause); 3] = [
        (&[0xde, 0xad, 0xbe, 0xef, 1, 2, 3], CloseCause::BadFrame),
        (&[0, 0, 0, 9, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0], CloseCause::UnsupportedApi),
        (&[0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1, 0x7f, 0xff, 1, 2], CloseCause::BadRequest),
    ];
    for (bytes, cause) in garbage {
        let fixture = Fixture::start().await;
        let (mut other, mut others_broker, _) = fixture.connected(&heartbeat(1)).await;
        let (mut client, mut broker) = handshaken(&fixture, "PLAIN").await;
        client.send(&token(1, b"\0alice\0secret")).await;
        let _ = broker.receive().await;
        broker.send(&verdict(1, 0, b"")).await;
        let _ = client.receive().await;
        client.0.write_all(bytes).await.unwrap();
        client.closed().await;
        broker.closed().await;
        until_closed(&fixture, cause).await;
        others_broker.send(&beat(1)).await;
        assert_eq!(other.receive().await, beat(1));
        fixture.stop().await;
    }
}

async fn until_none_is_open(fixture: &Fixture) {
    let none = async {
        while fixture.metrics.open_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, none).await.expect("a connection is left");
}

#[tokio::test]
async fn garbage_never_takes_the_gateway_down() {
    let fixture = Fixture::start().await;
    fastrand::seed(7);
    for _ in 0..200 {
        let mut client = fixture.client().await;
        let length = fastrand::usize(0..64);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect();
        if length > 8 && fastrand::bool() {
            // Half of the longer ones are frames of the correct size, of the one api that is decoded.
            bytes[..4].copy_from_slice(&(length as u32 - 4).to_be_bytes());
            bytes[4..8].copy_from_slice(&[0, 0, 0, fastrand::u8(0..14)]);
        }
        let _ = client.0.write_all(&bytes).await;
    }
    let beat = request(ApiKey::Heartbeat, 4, 1, &HeartbeatRequest::default());
    let mut client = fixture.client().await;
    client.send(&beat).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_closed_and_never_reaches_a_broker() {
    let limits = Limits { first_request_timeout: Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    fixture.client().await.closed().await;
    until_closed(&fixture, CloseCause::FirstRequestTimeout).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), fixture.broker.accept()).await.is_err());
    fixture.stop().await;
}

#[tokio::test]
async fn a_response_out_of_step_closes_the_connection() {
    let fixture = Fixture::start().await;
    let beat = request(ApiKey::Heartbeat, 4, 1, &HeartbeatRequest::default());
    let (mut client, mut broker, _) = fixture.connected(&beat).await;
    broker.send(&[0, 0, 0, 2, 0]).await;
    client.closed().await;
    until_closed(&fixture, CloseCause::BadResponse).await;
    fixture.stop().await;
}
