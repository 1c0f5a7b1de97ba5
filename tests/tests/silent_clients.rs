//! Nine thousand connections that send nothing, beside a client that works.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use linkgate_tests::kafka::Cluster;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;

const SILENT: usize = 9_000;
/// Maximum memory for a connection before its first request, in bytes.
const EACH: usize = 24 * 1024;
/// Time from a connect to the close without a request: long enough to open all connections first on a busy
/// machine.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// Given a gateway, when nine thousand clients connect and send nothing, then a working client is served
/// meanwhile, memory grows by a bounded amount for each connection, none of them reaches a broker, and each
/// is closed after its timeout, with a few log lines altogether.
#[test]
fn nine_thousand_silent_connections_are_bounded_and_closed() {
    allow_many_files();
    let cluster = Cluster::start("silent", 1);
    cluster.admin().create_topic("t", 1, &[]);
    let timeout = FIRST_REQUEST_TIMEOUT.as_millis().to_string();
    let limits = [("max.connections", "9500"), ("first.request.timeout.ms", timeout.as_str())];
    let linkgate = Linkgate::start(&cluster.bootstrap(), &limits);
    send(&linkgate.bootstrap(), "t", Kind::plain("none"), 10);
    let before = linkgate.resident();

    let begun = Instant::now();
    let address: SocketAddr = linkgate.bootstrap().parse().unwrap();
    let mut silent: Vec<TcpStream> = Vec::with_capacity(SILENT);
    while silent.len() < SILENT {
        // The system's queue of connections that are not yet accepted is short; a connect beyond it retries a
        // second later.
        for _ in 0..500 {
            let n = silent.len();
            silent.push(TcpStream::connect(address).unwrap_or_else(|e| panic!("connection {n}: {e}")));
        }
        until("all of them are counted", LONG, || (open(&linkgate) >= silent.len()).then_some(()));
    }
    let connected = begun.elapsed();
    assert!(connected < FIRST_REQUEST_TIMEOUT, "connecting alone took {connected:?}");
    let grown = linkgate.resident().saturating_sub(before);
    send(&linkgate.bootstrap(), "t", Kind::idempotent("lz4"), 100);
    assert_eq!(read::partition(&linkgate.bootstrap(), "t", 0).records.len(), 110);
    assert!(open(&linkgate) >= SILENT, "they were still there while the client was served");
    println!(
        "{SILENT} connections in {connected:?}: {} KiB of memory, {} bytes each",
        grown >> 10,
        grown / SILENT
    );
    assert!(grown < SILENT * EACH, "{} bytes a connection", grown / SILENT);

    for (n, stream) in silent.iter_mut().enumerate() {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let end = stream.read(&mut [0]);
        assert!(matches!(end, Ok(0)), "connection {n}: {end:?}");
    }
    assert!(begun.elapsed() >= FIRST_REQUEST_TIMEOUT);
    until("none is counted", LONG, || (open(&linkgate) < 100).then_some(()));
    let closed =
        linkgate.metric("linkgate_gateway_closed_connections_total{cause=\"first_request_timeout\"}");
    assert_eq!(closed as usize, SILENT);
    let told = linkgate.log().matches("first_request_timeout").count();
    assert!((1..=5).contains(&told), "{told} log lines");
    send(&linkgate.bootstrap(), "t", Kind::plain("none"), 10);
}

fn open(linkgate: &Linkgate) -> usize {
    linkgate.metric("linkgate_gateway_connections{") as usize
}

/// Raises the limit of open files for this process and the daemon: the daemon counts two for each client, one
/// for the client and one for a broker.
fn allow_many_files() {
    let needed = 2 * SILENT + 1_000;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let hard = line.split_whitespace().nth(4).unwrap_or_default().to_owned();
    if hard != "unlimited" {
        let enough = hard.parse::<usize>().is_ok_and(|hard| hard >= needed);
        assert!(enough, "this test needs {needed} open files; the hard limit is {hard}");
    }
    let this = std::process::id().to_string();
    let wanted = format!("--nofile={needed}");
    let raised = Command::new("prlimit").args(["--pid", &this, &wanted]).status();
    assert!(
        raised.is_ok_and(|status| status.success()),
        "prlimit (util-linux) cannot raise the limit of open files"
    );
}
