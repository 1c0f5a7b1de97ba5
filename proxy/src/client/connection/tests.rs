use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsResponse, ListGroupsRequest, MetadataRequest};
use kafka_protocol::protocol::Encodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::connection::*;
use crate::net::frame::read_frame;

/// A broker that answers ApiVersions by itself. The test scripts the other answers.
struct Script(TcpStream);

struct Received {
    api_key: i16,
    version: i16,
    correlation_id: i32,
    body: Bytes,
}

impl Script {
    async fn receive(&mut self) -> Received {
        let mut frame = read_frame(&mut self.0, 1 << 20).await.unwrap();
        let (api_key, version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let client_id = frame.get_i16() as usize;
        frame.advance(client_id);
        Received { api_key, version, correlation_id, body: frame }
    }

    async fn send(&mut self, correlation_id: i32, body: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_i32(4 + body.len() as i32);
        frame.put_i32(correlation_id);
        frame.put_slice(body);
        self.0.write_all(&frame).await.unwrap();
    }

    async fn offer(&mut self, apis: &[(i16, i16, i16)]) {
        let request = self.receive().await;
        assert_eq!(request.api_key, 18);
        let apis = apis.iter().map(|(key, min, max)| {
            ApiVersion::default().with_api_key(*key).with_min_version(*min).with_max_version(*max)
        });
        let response = ApiVersionsResponse::default().with_api_keys(apis.collect());
        let mut body = BytesMut::new();
        response.encode(&mut body, request.version).unwrap();
        self.send(request.correlation_id, &body).await;
    }

    /// Reads until the peer closes. The test hangs if it does not.
    async fn gone(&mut self) -> bool {
        while !matches!(self.0.read(&mut [0; 64]).await, Ok(0) | Err(_)) {}
        true
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        max_response_bytes: 1 << 20,
        ..ClientOptions::new(Side::Destination)
    }
}

async fn connected(options: ClientOptions, apis: &[(i16, i16, i16)]) -> (Connection, Script) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    let accept = async {
        let mut script = Script(listener.accept().await.unwrap().0);
        script.offer(apis).await;
        script
    };
    let (connection, script) = tokio::join!(Connection::connect(&address, &options), accept);
    (connection.unwrap(), script)
}

/// Sends a Produce v9 request of raw bytes. The future returns the body after the response header.
async fn send(
    connection: &Connection,
    body: &'static [u8],
) -> impl Future<Output = Result<Bytes, ClientError>> + use<> {
    let (first, second) = body.split_at(body.len() / 2);
    let segments = vec![Bytes::from_static(first), Bytes::from_static(second)];
    connection.send_segments(0, 9, segments).await.unwrap()
}

#[tokio::test]
async fn the_highest_common_version_is_used() {
    let (connection, mut script) = connected(options(), &[(3, 0, 4), (16, 7, 9)]).await;
    assert_eq!(connection.version_of::<MetadataRequest>(i16::MAX).unwrap(), 4);
    assert_eq!(connection.version_of::<MetadataRequest>(2).unwrap(), 2);
    let call = tokio::spawn({
        let connection = connection.clone();
        async move { connection.call(MetadataRequest::default()).await }
    });
    let request = script.receive().await;
    assert_eq!((request.api_key, request.version), (3, 4));
    // throttle time, no brokers, cluster id null, controller, no topics
    let mut body = BytesMut::new();
    body.put_i32(0);
    body.put_i32(0);
    body.put_i16(-1);
    body.put_i32(17);
    body.put_i32(0);
    script.send(request.correlation_id, &body).await;
    assert_eq!(call.await.unwrap().unwrap().controller_id.0, 17);

    let error = connection.call(ListGroupsRequest::default()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn an_old_broker_is_asked_again_in_its_version() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    let accept = async {
        let mut script = Script(listener.accept().await.unwrap().0);
        let request = script.receive().await;
        assert_eq!(request.version, 3);
        script.send(request.correlation_id, &[0, 35, 0, 0, 0, 0]).await;
        script.offer(&[(3, 0, 9)]).await;
        script
    };
    let options = options();
    let (connection, _script) = tokio::join!(Connection::connect(&address, &options), accept);
    assert_eq!(connection.unwrap().broker_versions(3), Some((0, 9)));
}

#[tokio::test]
async fn requests_leave_in_order_and_answers_find_their_waiters() {
    let (connection, mut script) = connected(options(), &[]).await;
    let first = send(&connection, b"first").await;
    let second = send(&connection, b"second").await;
    let third = send(&connection, b"third").await;
    let mut ids = Vec::new();
    for expected in ["first", "second", "third"] {
        let request = script.receive().await;
        // Request header v2 ends with an empty tag section.
        assert_eq!(request.body, [b"\0", expected.as_bytes()].concat());
        ids.push(request.correlation_id);
    }
    for (index, answer) in [(2, &b"\0C"[..]), (0, b"\0A"), (1, b"\x01\x05\x02xyB")] {
        script.send(ids[index], answer).await;
    }
    assert_eq!(third.await.unwrap(), "C");
    assert_eq!(second.await.unwrap(), "B");
    assert_eq!(first.await.unwrap(), "A");
}

#[tokio::test]
async fn a_timeout_ends_the_connection_for_all() {
    let short = ClientOptions { request_timeout: Duration::from_millis(100), ..options() };
    let (connection, _script) = connected(short, &[]).await;
    let (first, second) = (send(&connection, b"one").await, send(&connection, b"two").await);
    let (first, second) = tokio::join!(first, second);
    for answer in [first, second] {
        assert!(matches!(answer.unwrap_err().kind(), ErrorKind::Timeout { .. }));
    }
    let later = connection.send_segments(0, 9, vec![]).await.err().unwrap();
    assert!(connection.is_closed());
    assert!(matches!(later.kind(), ErrorKind::Timeout { .. }), "{later}");
    assert!(later.to_string().contains("Produce: no response within 100ms"), "{later}");
}

#[tokio::test]
async fn a_dropped_future_does_not_affect_other_requests() {
    let (connection, mut script) = connected(options(), &[]).await;
    drop(send(&connection, b"dropped").await);
    let kept = send(&connection, b"kept").await;
    let (dropped, next) = (script.receive().await, script.receive().await);
    script.send(dropped.correlation_id, b"\0x").await;
    script.send(next.correlation_id, b"\0y").await;
    assert_eq!(kept.await.unwrap(), "y");
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn impatient_callers_do_not_keep_a_dead_peer_alive() {
    let short = ClientOptions { request_timeout: Duration::from_millis(200), ..options() };
    let (connection, mut script) = connected(short, &[]).await;
    // A peer that answers is alive, even if its callers give up early.
    drop(send(&connection, b"dropped").await);
    let dropped = script.receive().await;
    script.send(dropped.correlation_id, b"\0x").await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    // The first caller after the timeout ends the connection to a peer that does not answer.
    drop(send(&connection, b"dropped").await);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let later = connection.send_segments(0, 9, vec![]).await.err().unwrap();
    assert!(matches!(later.kind(), ErrorKind::Timeout { .. }), "{later}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_length_bomb_ends_the_connection() {
    for length in [i32::MAX, -1, (1 << 20) + 1] {
        let (connection, mut script) = connected(options(), &[]).await;
        let waiting = send(&connection, b"request").await;
        script.0.write_all(&length.to_be_bytes()).await.unwrap();
        let error = waiting.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol { .. }), "{error}");
        assert!(connection.is_closed() && script.gone().await);
    }
}

#[tokio::test]
async fn an_unexpected_response_or_one_without_a_header_ends_the_connection() {
    for frame in [&[0u8, 0, 0, 4, 0, 0, 0, 99][..], &[0, 0, 0, 2, 0, 0], &[0, 0, 0, 0]] {
        let (connection, mut script) = connected(options(), &[]).await;
        let waiting = send(&connection, b"request").await;
        script.0.write_all(frame).await.unwrap();
        assert!(matches!(waiting.await.unwrap_err().kind(), ErrorKind::Lost { .. }));
    }
}

#[tokio::test]
async fn a_closing_peer_fails_waiters_and_later_callers() {
    let (connection, script) = connected(options(), &[]).await;
    let waiting = send(&connection, b"request").await;
    drop(script);
    assert!(waiting.await.unwrap_err().retriable());
    assert!(connection.send_segments(0, 9, vec![]).await.is_err());
}

#[tokio::test]
async fn a_response_that_cannot_be_decoded_fails_only_its_request() {
    let (connection, mut script) = connected(options(), &[(3, 0, 4)]).await;
    let (answer, ()) = tokio::join!(connection.call(MetadataRequest::default()), async {
        let request = script.receive().await;
        script.send(request.correlation_id, &[0, 0]).await;
    });
    assert!(matches!(answer.unwrap_err().kind(), ErrorKind::Protocol { .. }));
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn the_socket_closes_with_the_last_clone_but_not_before_the_last_answer() {
    let (connection, mut script) = connected(options(), &[]).await;
    let waiting = send(&connection, b"request").await;
    drop(connection);
    let request = script.receive().await;
    script.send(request.correlation_id, b"\0late").await;
    assert_eq!(waiting.await.unwrap(), "late");
    assert!(script.gone().await);
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait() {
    let narrow = ClientOptions { queue: 1, request_timeout: Duration::from_millis(300), ..options() };
    let (connection, _script) = connected(narrow, &[]).await;
    let large = Bytes::from(vec![0; 16 << 20]);
    let mut waiting = Vec::new();
    let error = loop {
        match connection.send_segments(0, 9, vec![large.clone()]).await {
            Ok(answer) => waiting.push(answer),
            Err(error) => break error,
        }
        assert!(waiting.len() < 20, "the queue is not bounded");
    };
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
}

/// Options with SASL_PLAINTEXT and PLAIN.
fn with_plain() -> ClientOptions {
    let security = crate::client::Security::parse("test", &|name| {
        let value = match name {
            "security.protocol" => "SASL_PLAINTEXT",
            "sasl.mechanism" => "PLAIN",
            "sasl.jaas.config" => {
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=u password=secret;"
            }
            _ => return None,
        };
        Some(value.to_owned())
    });
    ClientOptions { security: security.unwrap(), ..options() }
}

impl Script {
    /// Serves a PLAIN exchange. The answer names this session lifetime.
    async fn authenticate(&mut self, lifetime_ms: i64) {
        let hello = self.receive().await;
        assert_eq!((hello.api_key, hello.version, &hello.body[..]), (17, 1, &b"\0\x05PLAIN"[..]));
        self.send(hello.correlation_id, &[0, 0, 0, 0, 0, 1, 0, 5, b'P', b'L', b'A', b'I', b'N']).await;
        let token = self.receive().await;
        assert_eq!((token.api_key, token.version), (36, 1));
        assert_eq!(&token.body[..], b"\0\0\0\x09\0u\0secret");
        let mut body = BytesMut::new();
        body.put_i16(0);
        body.put_i16(-1);
        body.put_i32(0);
        body.put_i64(lifetime_ms);
        self.send(token.correlation_id, &body).await;
    }
}

const SASL_APIS: [(i16, i16, i16); 3] = [(17, 0, 1), (36, 0, 1), (3, 0, 4)];

#[tokio::test]
async fn a_connection_reauthenticates_in_time_and_requests_wait_for_it() {
    // Given a connection with a session lifetime of 1.5 seconds
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    let accept = async {
        let mut script = Script(listener.accept().await.unwrap().0);
        script.offer(&SASL_APIS).await;
        script.authenticate(1_500).await;
        script
    };
    let options = with_plain();
    let (connection, mut script) = tokio::join!(Connection::connect(&address, &options), accept);
    let connection = connection.unwrap();

    for _ in 0..2 {
        // When it re-authenticates while a caller sends a request
        let begin = Instant::now();
        let hello = script.receive().await;
        assert_eq!(hello.api_key, 17);
        assert!(begin.elapsed() < Duration::from_millis(1_490), "too late: {:?}", begin.elapsed());
        let asking = connection.clone();
        let asked = tokio::spawn(async move { asking.call(MetadataRequest::default()).await });
        // Then no other request arrives before it is done
        assert!(timeout(Duration::from_millis(100), script.0.peek(&mut [0])).await.is_err());
        script.send(hello.correlation_id, &[0, 0, 0, 0, 0, 0]).await;
        let token = script.receive().await;
        assert_eq!(token.api_key, 36);
        script.send(token.correlation_id, &[0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 220]).await;
        let metadata = script.receive().await;
        assert_eq!(metadata.api_key, 3);
        let mut body = BytesMut::new();
        for part in [0, 0] {
            body.put_i32(part);
        }
        body.put_i16(-1);
        body.put_i32(17);
        body.put_i32(0);
        script.send(metadata.correlation_id, &body).await;
        assert_eq!(asked.await.unwrap().unwrap().controller_id.0, 17);
    }
    // And the task does not keep the connection open
    drop(connection);
    assert!(script.gone().await);
}

#[tokio::test]
async fn refused_credentials_are_reported_with_the_brokers_message_and_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    for (hello, token, part) in [
        (&[0, 33, 0, 0, 0, 1, 0, 3, b'X', b'Y', b'Z'][..], &[][..], "it offers: XYZ"),
        (&[0, 34, 0, 0, 0, 0], &[], "does not accept SASL at this port"),
        (
            &[0, 0, 0, 0, 0, 0],
            b"\0\x3a\0\x05wrong\0\0\0\0\0\0\0\0\0\0\0\0",
            "SASL_AUTHENTICATION_FAILED (58): wrong",
        ),
    ] {
        let accept = async {
            let mut script = Script(listener.accept().await.unwrap().0);
            script.offer(&SASL_APIS).await;
            let asked = script.receive().await;
            script.send(asked.correlation_id, hello).await;
            if !token.is_empty() {
                let asked = script.receive().await;
                script.send(asked.correlation_id, token).await;
            }
            script.gone().await
        };
        let options = with_plain();
        let (connection, _) = tokio::join!(Connection::connect(&address, &options), accept);
        let error = connection.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Authentication { .. }), "{error}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{error}");
        assert!(!error.retriable());
    }
}
