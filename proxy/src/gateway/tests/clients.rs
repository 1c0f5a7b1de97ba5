//! The list of connections describes each client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, HeartbeatRequest, RequestHeader,
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::time::timeout;

use crate::gateway::ClientConnection;
use crate::gateway::connection::ClientIdentity;
use crate::gateway::tests::fixture::{Fixture, PATIENCE, Peer, request, response};
use crate::gateway::tests::produce::produce;

fn text(text: &str) -> StrBytes {
    StrBytes::from(text.to_owned())
}

fn only(fixture: &Fixture) -> ClientConnection {
    let mut all = fixture.handle.connections().page(0, 10, |_| true);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn software(correlation_id: i32) -> Bytes {
    let body = ApiVersionsRequest::default()
        .with_client_software_name(text("librdkafka"))
        .with_client_software_version(text("2.12.1"));
    request(ApiKey::ApiVersions, 3, correlation_id, &body)
}

/// Passes a request and its response through the gateway.
async fn exchange(client: &mut Peer, broker: &mut Peer, request: &Bytes, answer: &Bytes) {
    client.send(request).await;
    let _ = broker.receive().await;
    broker.send(answer).await;
    let _ = client.receive().await;
}

pub(crate) fn token(version: i16, message: &[u8]) -> Bytes {
    let body = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(message));
    request(ApiKey::SaslAuthenticate, version, 2, &body)
}

pub(crate) fn verdict(version: i16, error_code: i16, bytes: &'static [u8]) -> Bytes {
    let body = SaslAuthenticateResponse::default()
        .with_error_code(error_code)
        .with_auth_bytes(Bytes::from_static(bytes));
    response(ApiKey::SaslAuthenticate, version, 2, &body)
}

/// Returns a client that has chosen a mechanism, and the broker behind it.
pub(crate) async fn handshaken(fixture: &Fixture, mechanism: &str) -> (Peer, Peer) {
    let choice = request(
        ApiKey::SaslHandshake,
        1,
        1,
        &SaslHandshakeRequest::default().with_mechanism(text(mechanism)),
    );
    let (mut client, mut broker, _) = fixture.connected(&choice).await;
    broker.send(&response(ApiKey::SaslHandshake, 1, 1, &SaslHandshakeResponse::default())).await;
    let _ = client.receive().await;
    (client, broker)
}

#[tokio::test]
async fn the_list_shows_identity_and_activity_of_a_connection() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&software(1)).await;
    broker.send(&response(ApiKey::ApiVersions, 3, 1, &ApiVersionsResponse::default())).await;
    let answered = client.receive().await.len() + 4;
    let seen = only(&fixture);
    assert_eq!((seen.broker, seen.requests), (None, 1));
    assert_eq!(seen.peer, client.0.local_addr().unwrap());
    assert_eq!((seen.bytes_in as usize, seen.bytes_out as usize), (software(1).len() + 4, answered));
    assert_eq!((seen.last_produce_ms, seen.last_fetch_ms), (None, None));
    let expected = ClientIdentity {
        client_id: "test".into(),
        software_name: "librdkafka".into(),
        software_version: "2.12.1".into(),
        ..ClientIdentity::default()
    };
    assert_eq!(seen.identity, expected);

    client.send(&request(ApiKey::Produce, 9, 2, &produce(9, -1, &["plain"]))).await;
    client.send(&request(ApiKey::Fetch, 12, 3, &FetchRequest::default())).await;
    let _ = (broker.receive().await, broker.receive().await);
    let seen = only(&fixture);
    assert!(seen.last_produce_ms.is_some_and(|at| at >= seen.connected_ms) && seen.last_fetch_ms.is_some());
    assert_eq!(seen.requests, 3);
    fixture.stop().await;
}

/// Given each mechanism, when a broker accepts the exchange, then the principal is marked as authenticated,
/// and not before. The frames pass unchanged.
#[tokio::test]
async fn a_principal_counts_once_a_broker_has_accepted_it() {
    // The payload is {"sub":"alice"}.
    let bearer = b"n,,\x01auth=Bearer e30.eyJzdWIiOiJhbGljZSJ9.c2ln\x01\x01";
    let scram: [&[u8]; 2] = [b"n,,n=alice,r=nonce", b"c=biws,r=nonce,p=proof"];
    let cases: [(&str, &[&[u8]]); 3] =
        [("PLAIN", &[b"\0alice\0secret"]), ("SCRAM-SHA-512", &scram), ("OAUTHBEARER", &[bearer])];
    for (mechanism, messages) in cases {
        for version in [0, 1, 2] {
            let fixture = Fixture::start().await;
            let (mut client, mut broker) = handshaken(&fixture, mechanism).await;
            for (at, message) in messages.iter().enumerate() {
                client.send(&token(version, message)).await;
                assert_eq!(broker.receive().await, token(version, message));
                let seen = only(&fixture).identity;
                assert_eq!((seen.principal.as_str(), seen.authenticated), ("alice", false), "{mechanism}");
                let last = at + 1 == messages.len();
                broker.send(&verdict(version, 0, if last { b"" } else { b"r=nonce,s=salt,i=4096" })).await;
                let _ = client.receive().await;
            }
            let seen = only(&fixture).identity;
            assert_eq!(
                (seen.principal.as_str(), seen.authenticated),
                ("alice", true),
                "{mechanism} v{version}"
            );
            assert_eq!(seen.sasl_mechanism, mechanism);
            assert!(!format!("{:?}", fixture.handle.connections()).contains("secret"));
            fixture.stop().await;
        }
    }
}

#[tokio::test]
async fn a_principal_that_a_broker_refuses_never_counts() {
    let bearer = b"n,,\x01auth=Bearer e30.eyJzdWIiOiJhbGljZSJ9.c2ln\x01\x01";
    // With OAUTHBEARER, a broker reports a refused token by a text with error code 0. The client answers the
    // text before it gets the error.
    for (mechanism, message, error_code, bytes) in [
        ("PLAIN", &b"\0alice\0wrong"[..], 58, &b""[..]),
        ("OAUTHBEARER", bearer, 0, b"{\"status\":\"invalid_token\"}"),
    ] {
        let fixture = Fixture::start().await;
        let (mut client, mut broker) = handshaken(&fixture, mechanism).await;
        exchange(&mut client, &mut broker, &token(2, message), &verdict(2, error_code, bytes)).await;
        let seen = only(&fixture).identity;
        assert_eq!((seen.principal.as_str(), seen.authenticated), ("alice", false), "{mechanism}");
        fixture.stop().await;
    }
}

/// Given a client that sends an exchange that fails and one that succeeds without waiting, then only the
/// second counts.
#[tokio::test]
async fn an_answer_counts_for_its_own_request() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker) = handshaken(&fixture, "PLAIN").await;
    client.send(&token(1, b"\0root\0guess")).await;
    client.send(&token(1, b"\0bob\0right")).await;
    let _ = (broker.receive().await, broker.receive().await);
    broker.send(&verdict(1, 58, b"")).await;
    let _ = client.receive().await;
    assert!(!only(&fixture).identity.authenticated);
    broker.send(&verdict(1, 0, b"")).await;
    let _ = client.receive().await;
    let seen = only(&fixture).identity;
    assert_eq!((seen.principal.as_str(), seen.authenticated), ("bob", true));
    // A later failure changes nothing here: the broker closes the connection then.
    exchange(&mut client, &mut broker, &token(1, b"\0root\0guess"), &verdict(1, 58, b"")).await;
    assert_eq!(only(&fixture).identity.principal, "bob");
    fixture.stop().await;
}

#[tokio::test]
async fn texts_of_clients_are_cut_and_keep_no_control_characters() {
    let fixture = Fixture::start().await;
    for (said, kept) in [
        ("\u{1b}[2Jx\n".to_owned(), "\u{fffd}[2Jx\u{fffd}".to_owned()),
        ("é".repeat(10_000), "é".repeat(128)),
        (String::new(), String::new()),
    ] {
        let mut frame = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(ApiKey::Heartbeat as i16)
            .with_request_api_version(4)
            .with_correlation_id(1)
            .with_client_id(Some(text(&said)))
            .encode(&mut frame, 2)
            .unwrap();
        HeartbeatRequest::default().encode(&mut frame, 4).unwrap();
        let (client, _broker, received) = fixture.connected(&frame.freeze()).await;
        assert!(received.len() > said.len());
        assert_eq!(only(&fixture).identity.client_id, kept);
        drop(client);
        let gone = async {
            while !fixture.handle.connections().page(0, 1, |_| true).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, gone).await.unwrap();
    }
    fixture.stop().await;
}

#[tokio::test]
async fn pages_are_ordered_by_number_and_filtered() {
    let fixture = Fixture::start().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(fixture.connected(&software(1)).await);
    }
    let connections = fixture.handle.connections();
    let first = connections.page(0, 2, |_| true);
    let rest = connections.page(first[1].id, 10, |_| true);
    assert_eq!((first.len(), rest.len()), (2, 3));
    assert!(first.iter().chain(&rest).is_sorted_by_key(|one| one.id));
    assert_eq!(connections.page(0, 10, |one| one.identity.client_id == "other").len(), 0);
    fixture.stop().await;
}
