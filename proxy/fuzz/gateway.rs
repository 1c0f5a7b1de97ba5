//! Fuzz targets for the gateway: messages of clients and brokers.
#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each target uses one of them; a broken promise must crash"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use proxy::internals::ClientError;
use proxy::internals::HostPort;
use proxy::internals::Kept;
use proxy::internals::RequestPrefix;
use proxy::internals::WireError;
use proxy::internals::read_message;
use proxy::internals::versions;
use proxy::internals::{BrokerDirectory, Gateway, GatewayOptions, Limits, rewrite_answer};
use proxy::internals::{Gaps, ShareFetchRequest};
use proxy::internals::{ProduceRequest, ProduceTopic, peek};
use proxy::internals::{
    read_added_partitions, read_alter_configs, read_create_partitions, read_delete_records, read_txn_markers,
};
use state::model::{KafkaUuid, TopicGuard, TopicGuards, Written};

/// Id of the mirror topic `mirror`.
const MIRROR: [u8; 16] = [7; 16];

fn guards() -> TopicGuards {
    let mut topic_id = KafkaUuid::ZERO;
    topic_id.0 = uuid::Uuid::from_bytes(MIRROR);
    TopicGuards::from_guards([TopicGuard {
        topic: "mirror".into(),
        topic_id,
        link: "dr".into(),
        read_only: true,
        locked_configs: Arc::new(["retention.ms".to_owned()].into()),
        written: Written::default(),
    }])
}

/// Fuzz target: reads a request frame (without its size field) with the decoder of its api.
pub(crate) fn read_request(input: &[u8]) {
    let frame = Bytes::copy_from_slice(input);
    let Some(prefix) = input.first_chunk().map(|prefix| RequestPrefix::parse(*prefix)) else { return };
    let version = prefix.api_version;
    // The kept request is not longer than the sent one. Five bytes of slack allow for another encoding of the
    // count.
    let within = |pieces: Vec<Bytes>| assert!(pieces.concat().len() <= input.len() + 5);
    let kept = |read: Result<Kept, WireError>| {
        if let Ok(kept) = read {
            within(kept.pieces(&frame));
        }
    };
    match prefix.api_key {
        versions::PRODUCE => {
            let _ = peek(&frame, version);
            let several = |topic: ProduceTopic| Ok(topic.partitions.len() > 1);
            if let Ok(request) = ProduceRequest::read(frame.clone(), version, several) {
                within(request.kept());
            }
        }
        versions::DELETE_RECORDS => {
            kept(read_delete_records(&frame, version, |t| Ok(t.partitions.len() > 1)))
        }
        versions::CREATE_PARTITIONS => {
            kept(read_create_partitions(&frame, version, |t| Ok(t.as_str() > "m")))
        }
        versions::ALTER_CONFIGS | versions::INCREMENTAL_ALTER_CONFIGS => {
            kept(read_alter_configs(&frame, prefix.api_key, version, |resource| Ok(resource.kind == 2)));
        }
        versions::ADD_PARTITIONS_TO_TXN => {
            kept(read_added_partitions(&frame, version, |t| Ok(t.partitions.len() > 1)));
        }
        versions::WRITE_TXN_MARKERS => kept(read_txn_markers(&frame, version, |m| Ok(m.producer_id > 0))),
        versions::SHARE_FETCH => {
            let Ok(request) = ShareFetchRequest::read(frame.clone(), version) else { return };
            let gaps = Gaps::from([((MIRROR, 0), vec![0..=9, 20..=29]), ((MIRROR, 1), vec![5..=5])]);
            assert!(request.with_gaps(gaps).concat().len() <= input.len() + 200);
        }
        _ => {
            for mechanism in ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"] {
                let _ = read_message(mechanism, input.get(8..).unwrap_or_default());
            }
        }
    }
}

/// Fuzz target: passes a response frame (without its size field) to the rewriter of its api. The input begins
/// with api key and version.
pub(crate) fn rewrite(input: &[u8]) {
    let Some(([k0, k1, v0, v1], frame)) = input.split_first_chunk() else { return };
    let (api_key, version) = (i16::from_be_bytes([*k0, *k1]), i16::from_be_bytes([*v0, *v1]));
    if versions::supported(api_key, version).is_none() {
        return;
    }
    let _ = rewrite_answer(
        guards(),
        HostPort::new("gate", 9092),
        api_key,
        version,
        Bytes::copy_from_slice(frame),
    );
}

struct Nobody;

impl BrokerDirectory for Nobody {
    fn brokers(&self) -> futures::future::BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Starts a whole gateway, in front of a broker that reads everything and answers nothing. Returns its
/// address.
fn gateway() -> SocketAddr {
    static GATEWAY: OnceLock<(SocketAddr, tokio::runtime::Runtime)> = OnceLock::new();
    let (address, _) = GATEWAY.get_or_init(|| {
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let servers = vec![HostPort::new("127.0.0.1", broker.local_addr().unwrap().port())];
        drop(std::thread::spawn(move || {
            for stream in broker.incoming().flatten() {
                drop(std::thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink())));
            }
        }));
        let options = GatewayOptions {
            bootstrap_servers: servers,
            broker_tls: None,
            listen_host: "127.0.0.1".into(),
            listen_port: 0,
            listener_tls: None,
            sasl: false,
            advertised_host: "gate".into(),
            advertised_port: Some(9092),
            limits: Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() },
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (_, watched) = tokio::sync::watch::channel(Arc::new(guards()));
        let gateway = Gateway::new(options, Arc::new(Nobody), watched, &mut Default::default());
        let handle = runtime.block_on(gateway.run(tokio_util::sync::CancellationToken::new())).unwrap();
        (handle.bootstrap_address(), runtime)
    });
    *address
}

/// Fuzz target: sends the input as a client and then closes the sending side. The gateway must end the
/// connection, whatever the input was.
pub(crate) fn session(input: &[u8]) {
    let mut client = TcpStream::connect(gateway()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The gateway may close the connection before everything is written.
    let _ = client.write_all(input);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    if let Err(error) = client.read_to_end(&mut rest) {
        assert!(error.kind() != std::io::ErrorKind::WouldBlock, "the connection is left open");
    }
}
