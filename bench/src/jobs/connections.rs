//! Connections: the cost of thousands of idle clients of the gateway.

use std::time::Duration;

use kafka_protocol::messages::ApiVersionsRequest;
use linkgate_tests::client::{Connection, text};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::stage::linkgate::Linkgate;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{pump, say, stage, usage};

/// Maximum number of clients; below the default of `max.connections`.
const MOST: usize = 9_000;
/// File descriptors that the daemon and this program need besides those for clients.
const OTHER_FILES: usize = 1_000;
/// Time for the daemon to free the memory that opening connections needed.
const SETTLE: Duration = Duration::from_secs(5);

/// Measures clients that sent one ApiVersions request and nothing since. The daemon needs two descriptors for
/// each. If the limit on open files is too low, fewer clients are opened; the report shows their number.
#[must_use]
pub fn connections(effort: Effort) -> Vec<Finding> {
    let bearable = usage::open_files_limit().saturating_sub(OTHER_FILES) / 2;
    let count = effort.choose(MOST / 5, MOST).min(bearable);
    assert!(count > 0, "the limit on open files leaves no room for clients: raise it (ulimit -n)");
    let mut pair = stage::pair("connections");
    stage::create(&pair.destination, "written", 1, &[]);
    let frames = stage::frames("written", &[0], &Data::single());
    let (mut memory, mut without, mut with) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..effort.repetitions {
        say!("connections: {count} of them, {} of {}", n + 1, effort.repetitions);
        // A process that already had the connections keeps their memory, and would show no growth the next
        // time.
        pair.linkgate.restart();
        let pid = pair.linkgate.pid().expect("linkgate runs");
        let address = pair.linkgate.bootstrap();
        let broker = pair.destination.bootstrap();
        let added = || {
            let [direct, through] = pump::interleaved([&broker, &address], &frames);
            pump::added(&direct, &through)
        };
        let _ = added();
        without.push(added());
        std::thread::sleep(SETTLE);
        let before = usage::resident(pid);
        let clients: Vec<Connection> = (0..count).map(|_| idle(&address)).collect();
        std::thread::sleep(SETTLE);
        let after = usage::resident(pid);
        memory.push(after.saturating_sub(before) as f64 / 1024.0 / clients.len() as f64);
        with.push(added());
        let open = open(&pair.linkgate);
        assert!(open >= count as f64, "{open} of {count} connections are still open");
        drop(clients);
        until("the gateway has seen its clients go", LONG, || {
            (self::open(&pair.linkgate) < count as f64 / 10.0).then_some(())
        });
    }
    let job = format!("{count} idle connections");
    vec![
        Finding::alone((&job, "memory for each", "KiB"), &memory, Want::AtMost(20.0)),
        Finding::against(
            (&job, "added p99 of a produce of 1 KiB", "ms"),
            ("without them", &without),
            &with,
            Want::NotAbove(0.1),
        ),
    ]
}

/// Opens a client that has sent ApiVersions, so that the gateway has connected to the broker for it.
fn idle(address: &str) -> Connection {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("bench"))
        .with_client_software_version(text("1"));
    let mut connection = Connection::open(address).unwrap_or_else(|e| panic!("{e}"));
    let answer = connection.ask(3, &request).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.error_code, 0, "ApiVersions is answered");
    connection
}

/// Returns the number of client connections that the gateway has open.
fn open(linkgate: &Linkgate) -> f64 {
    linkgate.metric("linkgate_gateway_connections")
}
