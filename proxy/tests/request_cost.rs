//! Measures the cost of requests: sends growing inputs to every handler of the gateway, with a counting
//! allocator and a clock. Time and memory must not grow faster than the bytes. The test compares ratios, so a
//! slow machine does not matter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test, which tells what it measured"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Encodable;
use peak_alloc::PeakAlloc;
use proxy::internals::ClientError;
use proxy::internals::HostPort;
use proxy::internals::{BrokerDirectory, Gateway, GatewayOptions, Limits};
use proxy::internals::{put_string, put_unsigned_varint};
use state::model::{KafkaUuid, TopicGuard, TopicGuards};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
/// Timeout for an answer. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Id of the mirror topic.
const MIRROR: [u8; 16] = [7; 16];

struct Nobody;

impl BrokerDirectory for Nobody {
    fn brokers(&self) -> futures::future::BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Returns guards with one read-only mirror topic `mirror`, and many others, as an operator may have.
fn guards() -> TopicGuards {
    let guard = |topic: String, id: [u8; 16]| TopicGuard {
        topic,
        topic_id: KafkaUuid(uuid::Uuid::from_bytes(id)),
        link: "dr".into(),
        read_only: true,
        written: Default::default(),
        locked_configs: Arc::new((0..30).map(|n| format!("config.{n}")).collect()),
    };
    let others = (0..1_000u128).map(|n| guard(format!("other.{n}"), (n + 1).to_be_bytes()));
    TopicGuards::from_guards(others.chain([guard("mirror".into(), MIRROR)]))
}

/// Starts a gateway in front of a broker that sends empty responses, or none at all. Returns its address.
async fn gateway(limits: Limits, broker_answers: bool) -> SocketAddr {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = GatewayOptions {
        bootstrap_servers: vec![HostPort::new("127.0.0.1", broker.local_addr().unwrap().port())],
        listen_host: "127.0.0.1".into(),
        listen_port: 0,
        advertised_host: "gate".into(),
        advertised_port: Some(9092),
        listener_tls: None,
        sasl: false,
        broker_tls: None,
        limits,
    };
    drop(tokio::spawn(async move {
        while let Ok((stream, _)) = broker.accept().await {
            drop(tokio::spawn(answer(stream, broker_answers)));
        }
    }));
    // The sender may be dropped: the watch channel keeps its last value.
    let (_, watched) = tokio::sync::watch::channel(Arc::new(guards()));
    let gateway = Gateway::new(options, Arc::new(Nobody), watched, &mut Default::default());
    gateway.run(CancellationToken::new()).await.unwrap().bootstrap_address()
}

async fn answer(mut stream: TcpStream, broker_answers: bool) {
    let mut rest = vec![0; 64 * 1024];
    while let Ok(size) = stream.read_u32().await {
        let mut prefix = [0; 8];
        stream.read_exact(&mut prefix).await.unwrap();
        let mut left = size as usize - prefix.len();
        while left > 0 {
            let room = left.min(rest.len());
            left -= stream.read(&mut rest[..room]).await.unwrap();
        }
        let [k0, k1, v0, v1, id @ ..] = prefix;
        let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
        if broker_answers {
            let mut frame = BytesMut::new();
            frame.put_slice(&id);
            response(ApiKey::try_from(key).unwrap(), version, &mut frame);
            stream.write_u32(frame.len() as u32).await.unwrap();
            stream.write_all(&frame).await.unwrap();
        }
    }
}

/// Writes header and body of an empty response.
fn response(key: ApiKey, version: i16, out: &mut BytesMut) {
    if key.response_header_version(version) > 0 {
        out.put_u8(0);
    }
    match key {
        ApiKey::Produce => ProduceResponse::default().encode(out, version),
        ApiKey::DeleteRecords => DeleteRecordsResponse::default().encode(out, version),
        ApiKey::CreatePartitions => CreatePartitionsResponse::default().encode(out, version),
        ApiKey::AlterConfigs => AlterConfigsResponse::default().encode(out, version),
        ApiKey::IncrementalAlterConfigs => IncrementalAlterConfigsResponse::default().encode(out, version),
        ApiKey::ApiVersions => ApiVersionsResponse::default().encode(out, version),
        ApiKey::ShareFetch => ShareFetchResponse::default().encode(out, version),
        ApiKey::DescribeConfigs => DescribeConfigsResponse::default().encode(out, version),
        // Any other response passes unread.
        _ => {
            out.put_i32(0);
            Ok(())
        }
    }
    .unwrap();
}

/// Builds a request with this body, of a version that is not flexible.
fn frame(key: i16, version: i16, body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u32(0);
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(1);
    out.put_i16(-1);
    body(&mut out);
    let size = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&size.to_be_bytes());
    out.freeze()
}

/// Returns the name of topic `n`. With `mixed`, every second topic is the mirror.
fn name(n: usize, names: &str) -> &'static str {
    match (names, n % 2) {
        ("plain", _) | ("mixed", 0) => "a",
        _ => "mirror",
    }
}

fn count(out: &mut BytesMut, count: usize) {
    out.put_u32(count as u32);
}

fn produce(n: usize, names: &str, acks: i16) -> Bytes {
    frame(0, 3, |out| {
        out.put_i16(-1);
        out.put_i16(acks);
        out.put_i32(1000);
        count(out, n);
        for n in 0..n {
            put_string(out, false, name(n, names));
            count(out, 0);
        }
    })
}

/// Builds a request with `n` topics by name. `rest` writes the bytes after each name.
fn topics(
    key: i16,
    n: usize,
    names: &str,
    open: &[u8],
    rest: impl Fn(&mut BytesMut, usize),
    close: &[u8],
) -> Bytes {
    frame(key, 0, |out| {
        out.put_slice(open);
        count(out, n);
        for n in 0..n {
            if matches!(key, 33 | 44) {
                out.put_i8(2);
            }
            put_string(out, false, name(n, names));
            rest(out, n);
        }
        out.put_slice(close);
    })
}

/// Name of an input, number of entries in the smallest input, and a function that builds an input with a
/// given number of entries.
type Input = (String, usize, Box<dyn Fn(usize) -> Bytes>);

/// Returns for each handler the inputs that cost it most for their size.
fn inputs() -> Vec<Input> {
    let mut all: Vec<Input> = Vec::new();
    let mut add = |name: &str, n: usize, make: Box<dyn Fn(usize) -> Bytes>| all.push((name.into(), n, make));
    for names in ["mixed", "mirror", "plain"] {
        // For requests that are refused: as many topics as the gateway can refuse. For requests that pass: as
        // many as there may be.
        let n = if names == "plain" { 6_000 } else { 1_200 };
        add(&format!("Produce, {names}"), n, Box::new(move |n| produce(n, names, -1)));
        let none = |out: &mut BytesMut, _| count(out, 0);
        let delete = move |n| topics(21, n, names, &[], none, &[0; 4]);
        add(&format!("DeleteRecords, {names}"), n, Box::new(delete));
        let grow = |out: &mut BytesMut, _| out.put_slice(&[0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff]);
        add(
            &format!("CreatePartitions, {names}"),
            n,
            Box::new(move |n| topics(37, n, names, &[], grow, &[0; 5])),
        );
        for (key, api) in [(33, "AlterConfigs"), (44, "IncrementalAlterConfigs")] {
            let operation: &[u8] = if key == 44 { &[0] } else { &[] };
            let config = move |out: &mut BytesMut, n: usize| {
                count(out, 1);
                put_string(out, false, &format!("config.{}", n % 30));
                out.put_slice(operation);
                out.put_i16(-1);
            };
            add(&format!("{api}, {names}"), n, Box::new(move |n| topics(key, n, names, &[], config, &[0])));
        }
        let opening = [0; 12];
        add(
            &format!("AddPartitionsToTxn, {names}"),
            n,
            Box::new(move |n| topics(24, n, names, &opening, none, &[])),
        );
        // One marker for many topics; a later input has many markers.
        let one = [&[0, 0, 0, 1][..], &[0; 11]].concat();
        add(
            &format!("WriteTxnMarkers, {names}"),
            n,
            Box::new(move |n| topics(27, n, names, &one, none, &[0; 4])),
        );
    }
    add(
        "IncrementalAlterConfigs, one resource",
        6_000,
        Box::new(|n| {
            frame(44, 0, |out| {
                count(out, 1);
                out.put_i8(2);
                put_string(out, false, "mirror");
                count(out, n);
                for n in 0..n {
                    put_string(out, false, &format!("config.{}", n % 30));
                    out.put_slice(&[0, 0xff, 0xff]);
                }
                out.put_u8(0);
            })
        }),
    );
    add(
        "Produce by id",
        6_000,
        Box::new(|n| {
            frame(0, 13, |out| {
                out.put_slice(&[0, 0, 0xff, 0xff, 0, 0, 0, 1]);
                put_unsigned_varint(out, n as u64 + 1);
                for n in 0..n {
                    out.put_u128(n as u128 + (1 << 100));
                    out.put_slice(&[1, 0]);
                }
                out.put_u8(0);
            })
        }),
    );
    add(
        "Produce, one partition after the other",
        1_200,
        Box::new(|n| {
            frame(0, 3, |out| {
                out.put_slice(&[0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
                put_string(out, false, "mirror");
                count(out, n);
                for n in 0..n {
                    out.put_u32(n as u32);
                    out.put_i32(-1);
                }
            })
        }),
    );
    add(
        "Produce too old",
        1_200,
        Box::new(|n| {
            frame(0, 2, |out| {
                out.put_slice(&[0, 1, 0, 0, 0, 1]);
                count(out, n);
                for n in 0..n {
                    put_string(out, false, name(n, "mixed"));
                    count(out, 0);
                }
            })
        }),
    );
    add(
        "many markers",
        1_200,
        Box::new(|n| {
            frame(27, 0, |out| {
                count(out, n);
                for n in 0..n {
                    out.put_slice(&[0; 11]);
                    count(out, 1);
                    put_string(out, false, name(n, "mixed"));
                    out.put_slice(&[0; 8]);
                }
            })
        }),
    );
    add(
        "ShareFetch",
        6_000,
        Box::new(|n| {
            frame(78, 1, |out| {
                out.put_slice(&[0, 0, 0]);
                out.put_slice(&[0; 24]);
                put_unsigned_varint(out, n as u64 + 1);
                for n in 0..n {
                    out.put_u128(n as u128);
                    out.put_slice(&[1, 0]);
                }
                out.put_slice(&[1, 0]);
            })
        }),
    );
    // A larger request would close the connection.
    add("ApiVersions too new", 8_000, Box::new(|n| frame(18, 9, |out| out.put_bytes(0, n))));
    add("a request that passes", 40_000, Box::new(|n| frame(12, 0, |out| out.put_bytes(0, n))));
    all
}

/// Sends one request. Returns the time until it was answered, and the peak of allocated memory.
async fn cost(gateway: SocketAddr, frame: &[u8]) -> (Duration, usize) {
    let mut client = TcpStream::connect(gateway).await.unwrap();
    client.set_nodelay(true).unwrap();
    let mut rest = vec![0; 64 * 1024];
    // After this answer, the connection to the broker exists.
    client.write_all(&self::frame(12, 0, |out| out.put_slice(&[0; 8]))).await.unwrap();
    client.read_exact(&mut rest[..12]).await.unwrap();
    HEAP.reset_peak_usage();
    let (before, begun) = (HEAP.current_usage(), Instant::now());
    let (mut read, mut write) = client.split();
    let answered = async {
        let mut left = read.read_u32().await.expect("an answer and not the end") as usize;
        while left > 0 {
            let room = left.min(rest.len());
            left -= read.read(&mut rest[..room]).await.unwrap();
        }
    };
    let both = futures::future::join(write.write_all(frame), answered);
    let (written, ()) = tokio::time::timeout(PATIENCE, both).await.expect("no answer came");
    written.unwrap();
    (begun.elapsed(), HEAP.peak_usage().saturating_sub(before))
}

/// Sends inputs of one size and of eight times that size to each handler. The larger input must not take more
/// than its share of time and memory.
async fn grows_with_the_bytes() {
    let gateway = gateway(Limits::default(), true).await;
    for (name, n, make) in inputs() {
        let (small, large) = (make(n), make(8 * n));
        let times = large.len().div_ceil(small.len()) as u32;
        let (mut fast, mut slow) = (Duration::MAX, Duration::MAX);
        let (mut least, mut most) = (usize::MAX, usize::MAX);
        // Takes the best of several rounds, because other processes use the machine too. A quadratic handler
        // takes eight times its share in every round.
        for round in 0.. {
            let (took, held) = cost(gateway, &small).await;
            (fast, least) = (fast.min(took), least.min(held));
            let (took, held) = cost(gateway, &large).await;
            (slow, most) = (slow.min(took), most.min(held));
            let in_proportion = slow <= 3 * times * fast && most <= 2 * times as usize * least.max(64 * 1024);
            if round >= 2 && in_proportion {
                break;
            }
            assert!(
                round < 30,
                "{name}: {} bytes took {fast:?} and {least} bytes, {} bytes {slow:?} and {most} bytes",
                small.len(),
                large.len()
            );
        }
        println!(
            "{name}: {} bytes: {fast:?}, {least} held; {} bytes: {slow:?}, {most} held",
            small.len(),
            large.len()
        );
    }
}

/// Sends requests that are refused in part, and that wait for a broker that answers nothing. The memory of
/// the waiting requests must stay within twice the budget.
async fn what_waits_is_within_the_budget() {
    const BUDGET: usize = 16 * MIB;
    let gateway = gateway(Limits { request_buffer_bytes: BUDGET, ..Limits::default() }, false).await;
    let refused = frame(0, 3, |out| {
        out.put_slice(&[0xff, 0xff, 0, 1, 0, 0, 0, 1]);
        count(out, 9_001);
        for name in std::iter::repeat_n("mirror", 9_000).chain(["a"]) {
            put_string(out, false, name);
            count(out, 0);
        }
    });
    let request = refused.repeat(4);
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = TcpStream::connect(gateway).await.unwrap();
        // The gateway does not read to the end when the budget is used up.
        let _ = tokio::time::timeout(Duration::from_millis(20), client.write_all(&request)).await;
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let held = HEAP.peak_usage().saturating_sub(before);
    println!("{} MiB held", held / MIB);
    assert!(held <= 2 * BUDGET, "{held} bytes held, with a budget of {BUDGET}");
}

/// This is one test, because the allocator counts for the whole process.
#[test]
fn requests_cost_time_and_memory_in_proportion_to_their_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        grows_with_the_bytes().await;
        what_waits_is_within_the_budget().await;
    });
}
