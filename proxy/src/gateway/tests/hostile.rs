//! What no well-behaved client sends.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, HeartbeatRequest};
use prometheus_client::registry::Registry;
use state::model::TopicGuards;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::net::HostPort;

use super::super::error::CloseCause;
use super::super::{Gateway, GatewayOptions, Limits};
use super::fixture::{Fixed, Fixture, Peer, request};
use super::ordering::until_closed;

/// Sends raw bytes on a new connection, which must be closed for `cause`.
async fn closes(fixture: &Fixture, bytes: &[u8], cause: CloseCause) {
    let mut client = fixture.client().await;
    client.0.write_all(bytes).await.unwrap();
    client.closed().await;
    until_closed(fixture, cause).await;
}

#[tokio::test]
async fn sizes_that_no_frame_has_close_the_connection() {
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
        // Client id, transactional id, topics and partitions of absurd length.
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
async fn a_length_bomb_in_an_api_that_passes_is_the_brokers_to_judge() {
    let fixture = Fixture::start().await;
    // A Metadata v12 request that claims four billion topics.
    let frame = [0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let (_client, _broker, received) = fixture.connected(&bytes::Bytes::copy_from_slice(&frame)).await;
    assert_eq!(received, &frame[..]);
    fixture.stop().await;
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
            // Half of them are frames with a size that is right, of the one api that is decoded.
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
async fn a_client_that_says_nothing_is_closed_and_never_reaches_a_broker() {
    let limits = Limits { first_request_timeout: Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    fixture.client().await.closed().await;
    until_closed(&fixture, CloseCause::FirstRequestTimeout).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), fixture.broker.accept()).await.is_err());
    fixture.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let fixture = Fixture::with(Limits { max_connections: 1, ..Limits::default() }).await;
    let beat = request(ApiKey::Heartbeat, 4, 1, &HeartbeatRequest::default());
    let (_first, _broker, _) = fixture.connected(&beat).await;
    fixture.client().await.closed().await;
    until_closed(&fixture, CloseCause::ConnectionLimit).await;
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

#[tokio::test]
async fn the_gateway_starts_and_stays_up_without_a_broker() {
    let dead = HostPort::new("127.0.0.1", 1);
    let options = GatewayOptions {
        bootstrap_servers: vec![dead],
        listen_host: "127.0.0.1".into(),
        listen_port: 0,
        advertised_host: "gate.example".into(),
        advertised_port: None,
        limits: Limits::default(),
    };
    let (_guards, watched) = watch::channel(Arc::new(TopicGuards::default()));
    let directory = Arc::new(Fixed(Vec::new()));
    let gateway = Gateway::new(options, directory, watched, &mut Registry::default());
    let metrics = gateway.metrics.clone();
    let stop = CancellationToken::new();
    let handle = gateway.run(stop.clone()).await.unwrap();
    for _ in 0..3 {
        let mut client = Peer(tokio::net::TcpStream::connect(handle.bootstrap_address()).await.unwrap());
        client.send(&request(ApiKey::Heartbeat, 4, 1, &HeartbeatRequest::default())).await;
        client.closed().await;
    }
    stop.cancel();
    handle.stopped().await;
    assert_eq!(metrics.closed_by(CloseCause::NoBroker), 3);
}
