//! A source that is far away: its backlog is fetched ahead, over many connections, and arrives whole.

use std::time::{Duration, Instant};

use linkgate_tests::fault::Line;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::{Kind, Sender};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};

/// Bytes of a fetch of one partition: small, so that the backlog is hundreds of answers.
const FETCH_BYTES: usize = 64 * 1024;
const RECORDS: usize = 60_000;
/// Size of a value, in bytes.
const VALUE: usize = 400;
const ROUND_TRIP: Duration = Duration::from_millis(200);

/// Given a source over a line of 200 ms that is cut twice, when its backlog is mirrored, then every record has
/// arrived at its offset, and much sooner than one answer after the other would have brought it.
#[test]
fn a_backlog_is_fetched_ahead_over_a_long_line() {
    let ports = PortBlock::claim();
    let dir = WorkDir::new("far-source");
    let mut source = Cluster::launch_behind(dir, Version::V4_3_1, 1, &[], &[ports.port(0)]);
    let mut destination = Cluster::launch(WorkDir::new("far-destination"), Version::V4_3_1, 1, &[]);
    let line = Line::start(ports.port(0), source.client_ports()[0]);
    source.wait_ready();
    destination.wait_ready();
    let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
    let pair = Pair { linkgate, source, destination };
    let direct = pair.source.direct_bootstrap();
    let configs = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")];
    pair.source.admin().create_topic("t", 2, &[]);
    pair.source.admin().create_topic("compacted", 1, &configs);
    let value = "0123456789".repeat(VALUE / 10);
    let kinds = [
        (Kind::idempotent("none"), RECORDS),
        (Kind::transactional("lz4", 50), 2_000),
        (Kind::plain("zstd"), 4_000),
    ];
    for (kind, records) in kinds {
        let mut sender = Sender::new(&direct, kind);
        for n in 0..records {
            sender.send("t", &format!("key-{n}"), &value);
            if n % 8 == 0 {
                sender.send("compacted", &format!("key-{}", n % 3_000), &value);
            }
        }
        sender.finish();
        assert_eq!(sender.deliveries.failed(), 0);
    }

    line.set_round_trip(ROUND_TRIP);
    pair.link(&format!("replica.fetch.max.bytes={FETCH_BYTES},num.cluster.link.fetchers=64"));
    pair.mirror("t");
    pair.mirror("compacted");
    let begun = Instant::now();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_secs(1));
        line.cut();
    }
    pair.wait_caught_up("t");
    pair.wait_caught_up("compacted");
    let took = begun.elapsed();
    line.set_round_trip(Duration::ZERO);

    // Only the records that are not compressed, in two partitions.
    let answers = RECORDS * VALUE / 2 / FETCH_BYTES;
    let one_by_one = ROUND_TRIP * u32::try_from(answers).unwrap();
    println!("{answers} answers for each partition: {took:?} instead of {one_by_one:?}");
    assert!(one_by_one > Duration::from_secs(20), "there is a backlog");
    assert!(took < one_by_one / 2, "{took:?} of {one_by_one:?}: {:#}", pair.linkgate.mirror(LINK, "t"));
    for topic in ["t", "compacted"] {
        read::assert_same(&direct, topic, &pair.linkgate.bootstrap(), topic);
    }
}
