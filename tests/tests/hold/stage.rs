//! The clusters that all rows of a version share, and steps that several rows need.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkgate_tests::kafka::{FORGETFUL, Version};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use linkgate_tests::read::records::Record;
use linkgate_tests::stage::pair::{LINK, Pair};
use linkgate_tests::stage::trio::{Extra, Trio};

/// Maximum time for a stop. A stop that takes longer counts as stuck.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(45);

/// Link configs: a probe every second, and unavailable after three failures.
const PROBES: &str = "availability.check.ms=1000,availability.check.consecutive.failure.threshold=3";

/// Configs of the destination brokers: they forget a producer id after a second, create topics automatically
/// (Kafka's default), and accept at most 8 bytes of metadata with a group offset.
const DESTINATION: [(&str, &str); 4] =
    [FORGETFUL[0], FORGETFUL[1], ("auto.create.topics.enable", "true"), ("offset.metadata.max.bytes", "8")];

pub(crate) fn start(version: Version) -> Trio {
    let extra = Extra { destination: &DESTINATION, ..Extra::default() };
    let trio = Trio::start(&format!("hold-{}", version.number()), version, extra);
    trio.link(PROBES);
    trio
}

/// Restores the stage after a row, whatever its outcome: every cluster at its address and running, the daemon
/// ready.
pub(crate) fn as_it_was(trio: &mut Trio) {
    trio.pair.source.node(1).resume();
    trio.source_back();
    trio.destination_back();
    let bootstrap = trio.destination.bootstrap();
    trio.linkgate.configure("bootstrap.servers", &bootstrap);
    if trio.pair.linkgate.ended().is_some() {
        trio.pair.linkgate.kill();
    }
    trio.pair.linkgate.launch();
    trio.pair.linkgate.wait_ready();
}

/// Creates a mirror topic with `count` records on both sides.
pub(crate) fn mirrored(pair: &Pair, topic: &str, partitions: i32, count: usize) {
    pair.mirror_topic(topic, partitions, &[]);
    send(&pair.source.bootstrap(), topic, Kind::idempotent("lz4"), count);
    pair.assert_mirrored(topic);
}

/// Returns the records that a client sees, by partition.
pub(crate) fn records(bootstrap: &str, topic: &str) -> BTreeMap<i32, Vec<Record>> {
    read::topic(bootstrap, topic).into_iter().map(|(partition, copy)| (partition, copy.records)).collect()
}

/// Requests a promote and waits until the topic is STOPPED.
pub(crate) fn promote(pair: &Pair, topic: &str) {
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", topic]).success("promote");
    wait_stopped(pair, topic);
}

pub(crate) fn wait_stopped(pair: &Pair, topic: &str) {
    let begin = Instant::now();
    while pair.linkgate.status(LINK, topic) != "STOPPED" {
        assert!(
            begin.elapsed() < STOP_LIMIT,
            "{topic} is not STOPPED after {STOP_LIMIT:?}: {:#}",
            pair.linkgate.mirror(LINK, topic)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until a mirror topic has a status. Returns the time that it took.
pub(crate) fn until_status(pair: &Pair, topic: &str, status: &str, limit: Duration) -> Duration {
    let begin = Instant::now();
    loop {
        let now = pair.linkgate.status(LINK, topic);
        let took = begin.elapsed();
        if now == status {
            return took;
        }
        assert!(took < limit, "{topic} is {now} and not {status} after {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
