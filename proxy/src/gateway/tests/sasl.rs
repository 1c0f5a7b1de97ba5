//! SASL exchanges of clients, old and new, are the broker's.

use kafka_protocol::messages::{ApiKey, HeartbeatRequest, SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;

use super::fixture::{Fixture, request, response};

const H: ApiKey = ApiKey::SaslHandshake;

fn handshake(version: i16, mechanism: &'static str) -> bytes::Bytes {
    let ask = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    request(H, version, 1, &ask)
}

#[tokio::test]
async fn tokens_without_headers_pass_and_requests_follow_them() {
    let fixture = Fixture::start().await;
    for (mechanism, tokens) in [("PLAIN", 1), ("SCRAM-SHA-256", 2), ("SCRAM-SHA-512", 2), ("OAUTHBEARER", 1)]
    {
        let ask = handshake(0, mechanism);
        let (mut client, mut broker, received) = fixture.connected(&ask).await;
        assert_eq!(received, ask);
        let welcome = response(H, 0, 1, &SaslHandshakeResponse::default());
        broker.send(&welcome).await;
        assert_eq!(client.receive().await, welcome);
        for token in 0..tokens {
            client.send(format!("\0user{token}\0secret").as_bytes()).await;
            assert_eq!(broker.receive().await, format!("\0user{token}\0secret").as_bytes());
            // The answer to PLAIN is empty.
            broker.send(&[7; 3][token..]).await;
            assert_eq!(client.receive().await, &[7; 3][token..]);
        }
        let beat = request(ApiKey::Heartbeat, 4, 2, &HeartbeatRequest::default());
        client.send(&beat).await;
        assert_eq!(broker.receive().await, beat);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn the_old_handshake_with_a_mechanism_of_unknown_length_is_refused() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    client.send(&handshake(0, "GSSAPI")).await;
    let _idle = fixture.accept().await;
    let refused = client.receive().await;
    assert_eq!(refused[..10], *b"\0\0\0\x01\0\x21\0\0\0\x04");
    assert!(refused.ends_with(b"\0\x0bOAUTHBEARER"));
    // The newer one is the broker's to judge.
    let (_client, _broker, received) = fixture.connected(&handshake(1, "GSSAPI")).await;
    assert_eq!(received, handshake(1, "GSSAPI"));
    fixture.stop().await;
}
