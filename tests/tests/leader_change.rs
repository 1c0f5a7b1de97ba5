//! Brokers leave and return on both sides; the copy stays exact.

use std::time::Duration;

use linkgate_tests::kafka::Version;
use linkgate_tests::kafka::leadership;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, Writer, send};
use linkgate_tests::soak::reader::Reader;
use linkgate_tests::stage::pair::{LINK, Pair};
use linkgate_tests::workload::{Shape, Workload};

/// Given a mirror under load between clusters of two and three brokers, when brokers are stopped, killed and
/// paused on both sides and come back, then both sides hold the same in the end.
#[test]
fn mirrors_stay_exact_when_leaders_change_on_both_sides() {
    let mut pair = Pair::start("leaders", Version::V4_3_1, 2, 3);
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 6, &[]);
    let writers = [
        Writer::start(&source, "t", Kind::idempotent("lz4"), 600),
        Writer::start(&source, "t", Kind::transactional("zstd", 20), 300),
    ];
    std::thread::sleep(Duration::from_secs(2));

    // An orderly stop, a kill and a pause on the destination.
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

    // The second broker of the source leaves and returns.
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

/// Given a client at the end of a mirror topic whose last answer was streamed and contained filler, when the
/// leader changes, then the client goes on: it does not detect a truncated log (KIP-320).
#[test]
fn a_client_goes_on_after_filler_in_a_streamed_answer() {
    let pair = Pair::start("epochs", Version::V4_3_1, 1, 2);
    let (source, destination) = (pair.source.bootstrap(), pair.destination.bootstrap());
    let topic = "t".to_owned();
    pair.link("");
    pair.mirror_topic(&topic, 1, &[]);
    send(&source, &topic, Kind::plain("none"), 100);
    pair.wait_caught_up(&topic);
    assert_eq!(leadership::rotate(&destination, std::slice::from_ref(&topic)).expect("rotate"), 1);
    // More than the gateway holds of an answer (512 KiB), less than librdkafka fetches of a partition at once
    // (1 MiB). Every third transaction is aborted.
    send(&source, &topic, Kind::transactional("none", 20), 9_000);
    pair.wait_caught_up(&topic);

    let read =
        Workload { name: "t", shape: Shape::Transactional, partitions: 1, configs: &[], codecs: &["none"] };
    let client = Reader::start("epochs", &pair.linkgate.bootstrap(), "read_uncommitted", &[read]);
    until("the client has read all", LONG, || (client.count() == 6_100).then_some(()));
    let log = pair.linkgate.log();
    assert!(log.contains("found filler in a streamed response"), "the answer was not streamed");

    assert_eq!(leadership::rotate(&destination, std::slice::from_ref(&topic)).expect("rotate"), 1);
    send(&source, &topic, Kind::plain("none"), 100);
    until("the client goes on with the new leader", LONG, || (client.count() == 6_200).then_some(()));
    let seen = client.stop();
    let offsets: Vec<i64> = seen.values().flatten().map(|seen| seen.offset).collect();
    assert!(offsets.is_sorted_by(|a, b| a < b), "an offset came twice, or out of order");
}
