//! Brokers come and go on both sides; the copy stays exact.

use std::time::Duration;

use linkgate_tests::kafka::Version;
use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, Writer};

/// Given a mirror under load between clusters of two and three brokers, when leaders are killed, frozen and come back on both
/// sides, then both sides hold the same in the end.
#[test]
fn leaders_change_on_both_sides_under_load() {
    let mut pair = Pair::start("leaders", Version::V4_3_1, 2, 3);
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 6, &[]);
    let writers = [
        Writer::start(&source, "t", Kind::idempotent("lz4"), 600),
        Writer::start(&source, "t", Kind::transactional("zstd", 20), 300),
    ];
    std::thread::sleep(Duration::from_secs(2));

    // An orderly stop, a kill and a freeze on the destination.
    pair.destination.node(2).stop();
    std::thread::sleep(Duration::from_secs(2));
    pair.destination.node(2).start();
    pair.destination.wait_ready();
    pair.destination.node(3).kill();
    std::thread::sleep(Duration::from_secs(3));
    pair.destination.node(3).start();
    pair.destination.wait_ready();
    pair.destination.node(1).pause();
    std::thread::sleep(Duration::from_secs(8));
    pair.destination.node(1).resume();

    // The source's second broker goes and comes back.
    pair.source.node(2).kill();
    std::thread::sleep(Duration::from_secs(4));
    pair.source.node(2).start();
    pair.source.wait_ready();
    std::thread::sleep(Duration::from_secs(2));

    for writer in writers {
        let _ = writer.stop();
    }
    pair.destination.wait_ready();
    pair.assert_mirrored("t");
    assert_eq!(pair.linkgate.status(LINK, "t"), "ACTIVE");
}
