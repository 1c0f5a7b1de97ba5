//! Listeners and broker connections with TLS.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, HeartbeatRequest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::tls::testing::{Authority, replace, settings};
use crate::net::tls::{TlsClient, TlsServer};

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::tests::fixture::{Fixture, PATIENCE, request};
use crate::gateway::tests::ordering::until_closed;

fn server(authority: &Authority, name: &str) -> TlsServer {
    let (key, chain) = authority.key_and_chain(&[name]);
    TlsServer::load(settings(&[("ssl.keystore.key", &key), ("ssl.keystore.certificate.chain", &chain)]))
        .unwrap()
}

fn client(authority: &Authority) -> TlsClient {
    TlsClient::new("test", settings(&[("ssl.truststore.certificates", &authority.pem())]))
}

fn quick() -> Limits {
    Limits { drain_timeout: Duration::from_secs(1), ..Limits::default() }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) {
    stream.write_u32(frame.len() as u32).await.unwrap();
    stream.write_all(frame).await.unwrap();
    stream.flush().await.unwrap();
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Bytes {
    let frame = async {
        let size = stream.read_u32().await.unwrap();
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.unwrap();
        Bytes::from(frame)
    };
    timeout(PATIENCE, frame).await.expect("no frame came")
}

/// Builds a frame of an api that passes unread, with `size` bytes behind its header.
fn large(correlation_id: i32, size: usize) -> Bytes {
    let mut frame =
        BytesMut::from(&request(ApiKey::Heartbeat, 4, correlation_id, &HeartbeatRequest::default())[..]);
    frame.extend((0..size).map(|i| (i * 7) as u8));
    frame.freeze()
}

#[tokio::test]
async fn frames_of_any_size_pass_through_tls_on_both_sides() {
    let authority = Authority::new();
    let broker_tls = server(&authority, "127.0.0.1");
    let listener = server(&authority, "gate.example");
    let fixture = Fixture::secured(quick(), Some(listener), Some(client(&authority))).await;
    let tcp = TcpStream::connect(fixture.handle.bootstrap_address()).await.unwrap();
    let mut near = client(&authority).connect(tcp, "gate.example").await.unwrap();
    send(&mut near, &large(1, 10)).await;
    let mut far = broker_tls.accept(fixture.accept().await.0).await.unwrap();
    assert_eq!(receive(&mut far).await, large(1, 10));

    for (id, size) in [(1, 0), (2, 1), (3, 16_384), (4, 65_536), (5, 5_000_000)] {
        if id > 1 {
            let (sent, received) = tokio::join!(
                async {
                    send(&mut near, &large(id, size)).await;
                },
                receive(&mut far)
            );
            assert_eq!((sent, received), ((), large(id, size)));
        }
        let mut answer = BytesMut::new();
        answer.put_i32(id);
        answer.extend((0..size).map(|i| (i * 3) as u8));
        let slowly = async {
            // The socket fills up, so that TLS holds records back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            receive(&mut near).await
        };
        let ((), received) = tokio::join!(send(&mut far, &answer), slowly);
        assert!(received == answer, "the answer of {size} bytes is another one");
    }

    // The client's end of the stream is passed on, and so is the broker's, both with close_notify.
    near.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, far.read(&mut [0])).await.unwrap().unwrap(), 0);
    far.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, near.read(&mut [0])).await.unwrap().unwrap(), 0);
    until_closed(&fixture, CloseCause::ClientClosed).await;
    fixture.stop().await;
}

#[tokio::test]
async fn closing_without_close_notify_is_no_failure() {
    let authority = Authority::new();
    let fixture = Fixture::secured(quick(), Some(server(&authority, "g")), None).await;
    let tcp = TcpStream::connect(fixture.handle.bootstrap_address()).await.unwrap();
    let mut near = client(&authority).connect(tcp, "g").await.unwrap();
    send(&mut near, &large(1, 0)).await;
    let mut far = fixture.accept().await;
    let _ = far.receive().await;
    // Unread bytes would turn the client's end into a reset.
    far.send(&[0, 0, 0, 1, 0]).await;
    let _ = receive(&mut near).await;
    drop(near);
    far.closed().await;
    until_closed(&fixture, CloseCause::ClientClosed).await;
    fixture.stop().await;
}

#[tokio::test]
async fn bytes_other_than_tls_on_a_tls_port_are_closed_and_counted() {
    let authority = Authority::new();
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..quick() };
    let fixture = Fixture::secured(limits, Some(server(&authority, "g")), None).await;
    let mut garbage = fixture.client().await;
    garbage.send(&large(1, 0)).await;
    // An alert may come before the end of the stream.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, garbage.0.read_to_end(&mut rest)).await.expect("still open");
    until_closed(&fixture, CloseCause::TlsHandshake).await;

    fixture.client().await.closed().await;
    until_closed(&fixture, CloseCause::TlsHandshakeTimeout).await;
    // Half a hello is treated like none.
    let mut slow = fixture.client().await;
    slow.0.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    slow.closed().await;
    assert!(timeout(Duration::from_millis(50), fixture.broker.accept()).await.is_err());
    fixture.stop().await;
}

#[tokio::test]
async fn a_tls_hello_on_a_plaintext_port_is_closed_and_reaches_no_broker() {
    let authority = Authority::new();
    let fixture = Fixture::secured(quick(), None, None).await;
    let tcp = TcpStream::connect(fixture.handle.bootstrap_address()).await.unwrap();
    let met = timeout(PATIENCE, client(&authority).connect(tcp, "g")).await.expect("still open");
    assert!(met.is_err());
    until_closed(&fixture, CloseCause::BadFrame).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_not_trusted_is_not_connected_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    let fixture = Fixture::secured(quick(), None, Some(client(&authority))).await;
    let mut near = fixture.client().await;
    near.send(&large(1, 0)).await;
    let far = server(&other, "127.0.0.1");
    assert!(far.accept(fixture.accept().await.0).await.is_err());
    near.closed().await;
    until_closed(&fixture, CloseCause::NoBroker).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let (old, new) = (Authority::new(), Authority::new());
    std::fs::write(&path, old.identity(&["g"])).unwrap();
    let listener = TlsServer::load(settings(&[("ssl.keystore.location", path.to_str().unwrap())])).unwrap();
    let fixture = Fixture::secured(quick(), Some(listener), None).await;
    let connect = async |authority: &Authority| {
        let tcp = TcpStream::connect(fixture.handle.bootstrap_address()).await.unwrap();
        client(authority).connect(tcp, "g").await
    };
    let mut kept = connect(&old).await.unwrap();
    replace(&path, &new.identity(&["g"]));
    let reloaded = async {
        while fixture.metrics.reloads_of("listener", "reloaded") == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, reloaded).await.expect("the new certificate is not noticed");
    drop(connect(&new).await.unwrap());
    assert!(connect(&old).await.is_err());
    // Connections that are open stay open.
    send(&mut kept, &large(1, 0)).await;
    let mut far = fixture.accept().await;
    assert_eq!(far.receive().await, large(1, 0));
    drop(kept);
    fixture.stop().await;
}
