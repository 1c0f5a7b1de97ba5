//! The loads. Each is bounded by a number of connections, a number of bytes and an end time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::client::raw_frame::{
    API_VERSIONS, CREATE_PARTITIONS, FETCH, PRODUCE, RawClient, create_partitions, frame, produce_of_nothing,
    put_text,
};
use linkgate_tests::client::{Connection, text};
use linkgate_tests::produce::crafted::{Crafted, CraftedRecord};
use linkgate_tests::produce::raw_batch::{now_ms, write};
use linkgate_tests::read;

use crate::stage::{BOMBED, OPENED, Stage, VICTIM};

/// One kind of hostile load.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Limits of open files and client connections of the daemon, if lower than the defaults.
    pub(crate) files: Option<(usize, usize)>,
    /// Runs the load until the given time. Returns a description of what it did.
    pub(crate) run: fn(&Stage, Instant) -> String,
}

/// The last load leaves the daemon with few file descriptors.
pub(crate) const ALL: [Load; 7] = [
    Load { name: "costly-produce", files: None, run: costly_produce },
    Load { name: "refused-entries", files: None, run: refused_entries },
    Load { name: "merged-refusals", files: None, run: merged_refusals },
    Load { name: "half-frames", files: None, run: half_frames },
    Load { name: "half-headers", files: None, run: half_headers },
    Load { name: "zip-bombs", files: None, run: zip_bombs },
    Load { name: "few-files", files: Some((1_024, 200)), run: few_files },
];

const PATIENCE: Duration = Duration::from_secs(2);

/// Runs `one` on `threads` threads repeatedly until the given time. Returns the number of runs.
fn again(threads: usize, until: Instant, one: impl Fn(usize) + Sync) -> usize {
    let times = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..threads {
            let (one, times) = (&one, &times);
            let _ = scope.spawn(move || {
                while Instant::now() < until {
                    one(n);
                    let _ = times.fetch_add(1, Ordering::Relaxed);
                    // The pause keeps a client that is refused at once from becoming a load of connects.
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    times.into_inner()
}

fn leader(stage: &Stage, topic: &str) -> String {
    stage.pair.gateway().leaders(topic).remove(0).address
}

/// Sends a frame and waits briefly for an answer. A refusal, a close and an answer are all acceptable.
fn send_one(address: &str, frame: &[u8], patience: Duration) {
    let _ = RawClient::open(address, patience).and_then(|mut client| client.ask(frame));
}

/// 16 clients send Produce requests that name a mirror and another topic 99,000 times each.
fn costly_produce(stage: &Stage, until: Instant) -> String {
    let address = leader(stage, VICTIM);
    let frame = frame(PRODUCE, 3, 1, &produce_of_nothing(&[(VICTIM, 99_000), ("another", 99_000)]));
    let times = again(16, until, |_| send_one(&address, &frame, PATIENCE));
    format!("{times} requests of {} KiB", frame.len() >> 10)
}

/// 8 clients send CreatePartitions requests that name a mirror 100,000 times each.
fn refused_entries(stage: &Stage, until: Instant) -> String {
    let frame = frame(CREATE_PARTITIONS, 0, 1, &create_partitions(VICTIM, 100_000));
    let address = stage.pair.linkgate.bootstrap();
    let times = again(8, until, |_| send_one(&address, &frame, PATIENCE));
    format!("{times} requests of {} KiB", frame.len() >> 10)
}

/// 8 clients send a Fetch for which the broker waits without data. Behind it they send Produce requests whose
/// refusals the gateway must keep until the broker has answered the rest.
fn merged_refusals(stage: &Stage, until: Instant) -> String {
    let address = leader(stage, VICTIM);
    let fetch = frame(FETCH, 4, 1, &long_poll("own-one", 4_000));
    let produce = frame(PRODUCE, 3, 2, &produce_of_nothing(&[(VICTIM, 99_000), ("own-one", 1)]));
    let times = again(8, until, |_| {
        let Ok(mut client) = RawClient::open(&address, Duration::from_secs(1)) else { return };
        if client.send(&fetch).is_err() {
            return;
        }
        for _ in 0..16 {
            if client.send(&produce).is_err() {
                return;
            }
        }
        // Until then the gateway keeps the refusals.
        std::thread::sleep(Duration::from_secs(3).min(until.saturating_duration_since(Instant::now())));
    });
    format!("{times} connections with 16 requests of {} KiB each", produce.len() >> 10)
}

/// Body of a Fetch v4 that waits for more bytes than the topic will get.
fn long_poll(topic: &str, wait_ms: i32) -> Vec<u8> {
    let mut body = (-1i32).to_be_bytes().to_vec();
    body.extend(wait_ms.to_be_bytes());
    // min_bytes and max_bytes: 64 MiB, which never come.
    body.extend((64i32 << 20).to_be_bytes());
    body.extend((64i32 << 20).to_be_bytes());
    body.push(0);
    body.extend(1i32.to_be_bytes());
    put_text(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend(0i64.to_be_bytes());
    body.extend((64i32 << 20).to_be_bytes());
    body
}

/// A thousand clients announce a request of 100 MiB each, which the gateway would have to hold whole, and
/// send 256 KiB of it.
fn half_frames(stage: &Stage, until: Instant) -> String {
    let mut begun = (100u32 << 20).to_be_bytes().to_vec();
    begun.extend(&frame(API_VERSIONS, 9, 1, &[])[4..]);
    begun.resize(256 << 10, 0);
    let address = stage.pair.linkgate.bootstrap();
    let held = held_open(1_000, &address, &begun, until);
    format!("{held} clients with 256 KiB of 100 MiB each")
}

/// A thousand clients send half of an HTTP header to the admin listener.
fn half_headers(stage: &Stage, until: Instant) -> String {
    let address = stage.pair.linkgate.rest_url().trim_start_matches("http://").to_owned();
    let held = held_open(1_000, &address, b"GET /health/live HTTP/1.1\r\nHost: ", until);
    format!("{held} clients with half a header each")
}

/// Opens connections, sends `begun` on each, and keeps them until the given time. Returns how many were
/// opened.
fn held_open(count: usize, address: &str, begun: &[u8], until: Instant) -> usize {
    let held: Vec<TcpStream> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(move || {
                    let mut held = Vec::new();
                    while held.len() < count / 8 && Instant::now() < until {
                        let Ok(mut stream) = TcpStream::connect(address) else { continue };
                        let _ = stream.set_write_timeout(Some(Duration::from_millis(50)));
                        let _ = stream.write_all(begun);
                        held.push(stream);
                    }
                    held
                })
            })
            .collect();
        openers.into_iter().flat_map(|opener| opener.join().unwrap_or_default()).collect()
    });
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    held.len()
}

/// Batches of a few KiB that decompress to 128 MiB, under the headers of mixed batches: at the source of a
/// mirror as any producer can write them, and directly to the brokers in a promoted topic. Four clients read
/// them through the gateway.
fn zip_bombs(stage: &Stage, until: Instant) -> String {
    const MIXED: i64 = -0x4C_474D_5831;
    const SIZE: usize = 128 << 20;
    let record =
        |value| CraftedRecord { timestamp: now_ms(), value: Some(value), ..CraftedRecord::default() };
    let mut bomb = Crafted::new(vec![record(vec![0; SIZE]), record(Vec::new())]);
    bomb.codec = 4;
    bomb.base_timestamp = MIXED;
    let (source, destination) = (stage.pair.source.bootstrap(), stage.pair.destination.bootstrap());
    let own_id =
        read::raw(&destination, OPENED, 0).iter().map(|batch| batch.producer_id).max().unwrap_or(1 << 62);
    let sealed = bomb.seal();
    let mut written = 0;
    let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 3;
    let mut at_source = open_leader(&source, BOMBED);
    let mut past_gateway = open_leader(&destination, OPENED);
    while Instant::now() < half && written < 100 {
        let sequence = written * 2;
        written += i32::from(write(&mut at_source, BOMBED, 0, &sealed).is_ok());
        // With a producer epoch above that of a fence.
        let own = bomb.clone().by(own_id, 9, sequence);
        let _ = write(&mut past_gateway, OPENED, 0, &own.seal());
    }
    let ends = [BOMBED, OPENED].map(|topic| stage.pair.destination.admin().offsets(topic, LATEST)[0]);
    let gateway = leader(stage, OPENED);
    let reads = again(4, until, |n| {
        let (topic, end) = if n % 2 == 0 { (BOMBED, ends[0]) } else { (OPENED, ends[1]) };
        let from = (end - i64::from(written) * 2).max(0);
        let _ = Connection::open(&gateway).and_then(|mut open| open.ask(12, &fetch(topic, from)));
    });
    format!(
        "{written} batches of {} KiB that become {} MiB, read {reads} times",
        sealed.len() >> 10,
        SIZE >> 20
    )
}

fn open_leader(bootstrap: &str, topic: &str) -> Connection {
    let leader = Admin::to(bootstrap).leaders(topic).remove(0).address;
    Connection::open(&leader).expect("the broker listens")
}

fn fetch(topic: &str, from: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(from)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(200)
        .with_min_bytes(1)
        .with_max_bytes(8 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// 400 Kafka clients and 900 HTTP clients connect to a daemon that may have 1024 open files and 200 Kafka
/// clients.
fn few_files(stage: &Stage, until: Instant) -> String {
    let gateway = stage.pair.linkgate.bootstrap();
    let admin = stage.pair.linkgate.rest_url().trim_start_matches("http://").to_owned();
    let connect = |address: &str, count: usize| -> Vec<TcpStream> {
        (0..count).filter_map(|_| TcpStream::connect(address).ok()).collect()
    };
    let mut held = connect(&gateway, 400);
    // One request each, so that the gateway would have to connect to a broker for it.
    let request = frame(API_VERSIONS, 0, 1, &[]);
    held.iter_mut().for_each(|stream| drop(stream.write_all(&request)));
    held.extend(connect(&admin, 900));
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let closed = held.iter_mut().map(is_closed).filter(|closed| *closed).count();
    format!("{} connections, {closed} of them closed by the daemon", held.len())
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
