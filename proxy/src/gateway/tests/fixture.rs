//! Runs a gateway with a scripted broker behind it. The codec builds the frames, as a reference.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use prometheus_client::registry::Registry;
use state::model::{KafkaUuid, TopicGuard, TopicGuards, Written};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::ClientError;
use crate::net::HostPort;
use crate::net::tls::{TlsClient, TlsServer};

use crate::gateway::listen::broker_discovery::BrokerDirectory;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::{Gateway, GatewayHandle, GatewayOptions, Limits};

/// Timeout that is long enough for a busy machine. Only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Id of the mirror topic `mirror`.
pub(crate) const MIRROR_ID: u128 = 7;

/// Directory that names the brokers that a test gives it.
pub(crate) struct Fixed(pub(crate) Vec<(i32, HostPort)>);

impl BrokerDirectory for Fixed {
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

pub(crate) struct Fixture {
    pub(crate) broker: TcpListener,
    pub(crate) handle: GatewayHandle,
    pub(crate) guards: watch::Sender<Arc<TopicGuards>>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) stop: CancellationToken,
}

impl Fixture {
    /// Starts a gateway. `mirror` is a read-only mirror topic, and `promoted` was one.
    pub(crate) async fn start() -> Self {
        Self::with(Limits { drain_timeout: Duration::from_secs(1), ..Limits::default() }).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::secured(limits, None, None).await
    }

    /// Starts a gateway with TLS towards clients and towards the broker, where it is given.
    pub(crate) async fn secured(
        limits: Limits,
        listener_tls: Option<TlsServer>,
        broker_tls: Option<TlsClient>,
    ) -> Self {
        Self::listening(limits, listener_tls, broker_tls, false).await
    }

    /// Starts a gateway whose clients have to authenticate.
    pub(crate) async fn sasl() -> Self {
        Self::sasl_with(Limits { drain_timeout: Duration::from_secs(1), ..Limits::default() }).await
    }

    pub(crate) async fn sasl_with(limits: Limits) -> Self {
        Self::listening(limits, None, None, true).await
    }

    async fn listening(
        limits: Limits,
        listener_tls: Option<TlsServer>,
        broker_tls: Option<TlsClient>,
        sasl: bool,
    ) -> Self {
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HostPort::new("127.0.0.1", broker.local_addr().unwrap().port());
        let guard = |topic: &str, id: u128, read_only| TopicGuard {
            topic: topic.into(),
            topic_id: KafkaUuid(uuid::Uuid::from_u128(id)),
            link: "dr".into(),
            read_only,
            locked_configs: Arc::new(["retention.ms".to_owned()].into()),
            written: Written::default(),
        };
        let snapshot =
            TopicGuards::from_guards([guard("mirror", MIRROR_ID, true), guard("promoted", 8, false)]);
        let (guards, watched) = watch::channel(Arc::new(snapshot));
        let options = GatewayOptions {
            bootstrap_servers: vec![address.clone()],
            listen_host: "127.0.0.1".into(),
            listen_port: 0,
            advertised_host: "gate.example".into(),
            advertised_port: Some(9092),
            listener_tls,
            sasl,
            broker_tls,
            limits,
        };
        let directory = Arc::new(Fixed(vec![(1, address)]));
        let gateway = Gateway::new(options, directory, watched, &mut Registry::default());
        let metrics = gateway.metrics.clone();
        let stop = CancellationToken::new();
        let handle = gateway.run(stop.clone()).await.unwrap();
        Fixture { broker, handle, guards, metrics, stop }
    }

    pub(crate) async fn client(&self) -> Peer {
        Peer(TcpStream::connect(self.handle.bootstrap_address()).await.unwrap())
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer(timeout(PATIENCE, self.broker.accept()).await.unwrap().unwrap().0)
    }

    /// Returns a client that has sent `first`, the broker's end of its connection, and the frame that the
    /// broker has read.
    pub(crate) async fn connected(&self, first: &Bytes) -> (Peer, Peer, Bytes) {
        let mut client = self.client().await;
        client.send(first).await;
        let mut broker = self.accept().await;
        let read = broker.receive().await;
        (client, broker, read)
    }

    /// Stops the gateway and waits until every task has ended.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.handle.stopped()).await.expect("a task is left");
        assert_eq!(self.metrics.open_connections(), 0);
    }
}

/// One end of a connection. Frames are given and returned without their size field.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn send(&mut self, frame: &[u8]) {
        self.0.write_u32(frame.len() as u32).await.unwrap();
        self.0.write_all(frame).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Bytes {
        let frame = async {
            let size = self.0.read_u32().await.unwrap();
            let mut frame = vec![0; size as usize];
            self.0.read_exact(&mut frame).await.unwrap();
            Bytes::from(frame)
        };
        timeout(PATIENCE, frame).await.expect("no frame came")
    }

    /// Waits for the other side to close. Fails if bytes come before that.
    pub(crate) async fn closed(&mut self) {
        let mut byte = [0];
        match timeout(PATIENCE, self.0.read(&mut byte)).await.expect("still open") {
            Ok(0) | Err(_) => {}
            Ok(_) => panic!("bytes where the end was due"),
        }
    }
}

pub(crate) fn request(key: ApiKey, version: i16, correlation_id: i32, body: &impl Encodable) -> Bytes {
    let mut out = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")))
        .encode(&mut out, key.request_header_version(version))
        .unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}

pub(crate) fn response(key: ApiKey, version: i16, correlation_id: i32, body: &impl Encodable) -> Bytes {
    let mut out = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut out, key.response_header_version(version)).unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}

/// Decodes the body of a response, which must have this correlation id and no bytes behind its end.
pub(crate) fn answer<M: Decodable>(frame: Bytes, key: ApiKey, version: i16, correlation_id: i32) -> M {
    let mut frame = frame;
    let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
    assert_eq!(header.correlation_id, correlation_id);
    let body = M::decode(&mut frame, version).unwrap();
    assert!(frame.is_empty(), "{} bytes behind the response", frame.len());
    body
}
