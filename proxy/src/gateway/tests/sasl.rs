//! The broker judges SASL exchanges of clients, old and new. Nothing else passes before them, and nothing
//! passes unread.

use bytes::Bytes;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, BrokerId, CreatePartitionsRequest, HeartbeatRequest, MetadataRequest,
    MetadataResponse, ProduceResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, timeout};

use crate::gateway::error::CloseCause;
use crate::gateway::tests::clients::{handshaken, token, verdict};
use crate::gateway::tests::fixture::{Fixture, Peer, answer, request, response};
use crate::gateway::tests::ordering::{beat, heartbeat, until_closed};
use crate::gateway::tests::produce::produce;

const H: ApiKey = ApiKey::SaslHandshake;
/// ILLEGAL_SASL_STATE, the error code of brokers for a misplaced handshake.
const ILLEGAL_SASL_STATE: i16 = 34;

fn handshake(version: i16, mechanism: &'static str) -> Bytes {
    let ask = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    request(H, version, 1, &ask)
}

fn welcome(version: i16, error_code: i16) -> Bytes {
    response(H, version, 1, &SaslHandshakeResponse::default().with_error_code(error_code))
}

/// Asserts that nothing has come to the broker, and that nothing comes for a moment.
async fn hears_nothing(broker: &mut Peer) {
    let waited = timeout(Duration::from_millis(150), broker.0.peek(&mut [0])).await;
    assert!(waited.is_err(), "something came through");
}

const OLD: [(&str, usize); 4] =
    [("PLAIN", 1), ("SCRAM-SHA-256", 2), ("SCRAM-SHA-512", 2), ("OAUTHBEARER", 1)];

#[tokio::test]
async fn tokens_without_headers_pass_and_requests_follow_them() {
    let fixture = Fixture::sasl().await;
    for (mechanism, tokens) in OLD {
        let ask = handshake(0, mechanism);
        let (mut client, mut broker, received) = fixture.connected(&ask).await;
        assert_eq!(received, ask);
        broker.send(&welcome(0, 0)).await;
        assert_eq!(client.receive().await, welcome(0, 0));
        for token in 0..tokens {
            client.send(format!("\0user{token}\0secret").as_bytes()).await;
            assert_eq!(broker.receive().await, format!("\0user{token}\0secret").as_bytes());
            // The broker's token is empty, except with SCRAM.
            let said: &[u8] = if mechanism.starts_with("SCRAM") { b"v=abc" } else { b"" };
            broker.send(said).await;
            assert_eq!(client.receive().await, said);
        }
        let beat = request(ApiKey::Heartbeat, 4, 2, &HeartbeatRequest::default());
        client.send(&beat).await;
        assert_eq!(broker.receive().await, beat);
    }
    fixture.stop().await;
}

/// Given a broker that has not answered a handshake yet or has refused it, when frames follow that would be
/// tokens, then none of them reaches the broker unread.
#[tokio::test]
async fn frames_after_a_refused_handshake_do_not_pass_unread() {
    let fixture = Fixture::sasl().await;
    for (mechanism, _) in OLD {
        let (mut client, mut broker, _) = fixture.connected(&handshake(0, mechanism)).await;
        client.send(&request(ApiKey::Produce, 9, 2, &produce(9, -1, &["mirror"]))).await;
        hears_nothing(&mut broker).await;
        broker.send(&welcome(0, ILLEGAL_SASL_STATE)).await;
        assert_eq!(client.receive().await, welcome(0, ILLEGAL_SASL_STATE));
        client.closed().await;
        broker.closed().await;
    }
    until_closed(&fixture, CloseCause::Unauthenticated).await;
    fixture.stop().await;
}

/// Sends requests in the place of tokens behind old handshakes, which the gateway answers itself. Asserts
/// that the gateway reads and refuses them.
async fn smuggles_nothing(mut client: Peer, mut broker: Peer) {
    for (mechanism, tokens) in OLD {
        client.send(&handshake(0, mechanism)).await;
        assert_eq!(client.receive().await, welcome(0, ILLEGAL_SASL_STATE), "{mechanism}");
        for _ in 0..tokens {
            client.send(&request(ApiKey::Produce, 9, 2, &produce(9, -1, &["mirror"]))).await;
            let refused: ProduceResponse = answer(client.receive().await, ApiKey::Produce, 9, 2);
            assert_eq!(refused.responses[0].partition_responses[0].error_code, 42);
        }
    }
    hears_nothing(&mut broker).await;
    client.send(&handshake(0, "PLAIN")).await;
    let _ = client.receive().await;
    let ask = request(ApiKey::Metadata, 1, 3, &MetadataRequest::default());
    client.send(&ask).await;
    assert_eq!(broker.receive().await, ask);
    let own = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_static_str("kafka-1.internal"))
        .with_port(9092);
    broker
        .send(&response(ApiKey::Metadata, 1, 3, &MetadataResponse::default().with_brokers(vec![own])))
        .await;
    let told: MetadataResponse = answer(client.receive().await, ApiKey::Metadata, 1, 3);
    assert_eq!(told.brokers[0].host.as_str(), "gate.example");
}

#[tokio::test]
async fn an_old_handshake_smuggles_nothing_where_there_is_no_sasl() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    broker.send(&beat(1)).await;
    let _ = client.receive().await;
    smuggles_nothing(client, broker).await;
    fixture.stop().await;
}

#[tokio::test]
async fn an_old_handshake_smuggles_nothing_after_authentication() {
    let fixture = Fixture::sasl().await;
    let (mut client, mut broker) = handshaken(&fixture, "PLAIN").await;
    client.send(&token(1, b"\0alice\0secret")).await;
    let _ = broker.receive().await;
    broker.send(&verdict(1, 0, b"")).await;
    let _ = client.receive().await;
    smuggles_nothing(client, broker).await;

    // Nor after an exchange of the old kind.
    let (mut client, mut broker, _) = fixture.connected(&handshake(0, "PLAIN")).await;
    broker.send(&welcome(0, 0)).await;
    let _ = client.receive().await;
    client.send(b"\0alice\0secret").await;
    let _ = broker.receive().await;
    broker.send(b"").await;
    let _ = client.receive().await;
    smuggles_nothing(client, broker).await;
    fixture.stop().await;
}

/// Given a client of a SASL listener, when it sends a request before a broker has accepted it, then the
/// connection is closed without a response, whatever the gateway would have answered.
#[tokio::test]
async fn no_request_is_answered_before_authentication() {
    let fixture = Fixture::sasl().await;
    let asked = [
        request(ApiKey::Produce, 9, 2, &produce(9, -1, &["mirror"])),
        request(ApiKey::CreatePartitions, 2, 2, &CreatePartitionsRequest::default()),
        request(ApiKey::Metadata, 1, 2, &MetadataRequest::default()),
    ];
    for ask in &asked {
        let mut client = fixture.client().await;
        client.send(ask).await;
        client.closed().await;

        let (mut client, mut broker) = handshaken(&fixture, "SCRAM-SHA-256").await;
        client.send(&token(1, b"n,,n=alice,r=abc")).await;
        let _ = broker.receive().await;
        broker.send(&verdict(1, 0, b"r=abcdef,s=salt,i=4096")).await;
        let _ = client.receive().await;
        client.send(ask).await;
        client.closed().await;

        let (mut client, mut broker) = handshaken(&fixture, "PLAIN").await;
        client.send(&token(1, b"\0alice\0wrong")).await;
        let _ = broker.receive().await;
        broker.send(&verdict(1, 58, b"")).await;
        let _ = client.receive().await;
        client.send(ask).await;
        client.closed().await;
    }
    until_closed(&fixture, CloseCause::Unauthenticated).await;
    // The broker got no request: the first kind of client was not even connected to it.
    assert!(timeout(Duration::from_millis(100), fixture.broker.accept()).await.is_err());
    fixture.stop().await;
}

/// Given exchanges that the gateway cannot read, when a broker accepts them, then the client is served.
#[tokio::test]
async fn a_client_that_a_broker_accepts_is_served_with_any_mechanism() {
    let fixture = Fixture::sasl().await;
    let opaque = b"n,,\x01auth=Bearer opaque\x01\x01";
    for (mechanism, message, said) in [
        ("GSSAPI", &b"\x60ticket"[..], &b""[..]),
        ("OAUTHBEARER", opaque, b""),
        ("PLAIN", b"\0\xff\0secret", b""),
    ] {
        let (mut client, mut broker) = handshaken(&fixture, mechanism).await;
        client.send(&token(2, message)).await;
        let _ = broker.receive().await;
        broker.send(&verdict(2, 0, said)).await;
        let _ = client.receive().await;
        client.send(&heartbeat(3)).await;
        assert_eq!(broker.receive().await, heartbeat(3), "{mechanism}");
    }
    fixture.stop().await;
}

/// Given frames too large for a client that has not authenticated, then the connection is closed before any
/// of them is held, and no broker is dialled.
#[tokio::test]
async fn oversized_frames_before_authentication_close_the_connection() {
    for (fixture, key, version, size) in [
        (Fixture::sasl().await, 36i16, 2i16, 512 * 1024 + 1),
        (Fixture::sasl().await, 17, 1, 64 * 1024 + 1),
        (Fixture::sasl().await, 18, 4, 64 * 1024 + 1),
        // The limits also hold without SASL, and for a version that is too new.
        (Fixture::start().await, 18, 9, 64 * 1024 + 1),
        (Fixture::start().await, 17, 0, 64 * 1024 + 1),
    ] {
        let mut client = fixture.client().await;
        let prefix = [&(size as u32).to_be_bytes()[..], &key.to_be_bytes(), &version.to_be_bytes(), &[0; 4]];
        client.0.write_all(&prefix.concat()).await.unwrap();
        client.closed().await;
        until_closed(&fixture, CloseCause::BadRequest).await;
        assert!(timeout(Duration::from_millis(100), fixture.broker.accept()).await.is_err());
        fixture.stop().await;
    }
    let fixture = Fixture::sasl().await;
    let (_client, _broker, received) =
        fixture.connected(&request(ApiKey::ApiVersions, 3, 1, &ApiVersionsRequest::default())).await;
    assert!(!received.is_empty());
    fixture.stop().await;
}

#[tokio::test]
async fn the_old_handshake_with_a_mechanism_of_unknown_length_is_refused() {
    let fixture = Fixture::sasl().await;
    let mut client = fixture.client().await;
    client.send(&handshake(0, "GSSAPI")).await;
    let _idle = fixture.accept().await;
    let refused = client.receive().await;
    assert_eq!(refused[..10], *b"\0\0\0\x01\0\x21\0\0\0\x04");
    assert!(refused.ends_with(b"\0\x0bOAUTHBEARER"));
    // The broker judges the newer handshake.
    let (_client, _broker, received) = fixture.connected(&handshake(1, "GSSAPI")).await;
    assert_eq!(received, handshake(1, "GSSAPI"));
    fixture.stop().await;
}
