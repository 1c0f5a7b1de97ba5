//! Rows about identity: a wrong cluster answers at an address, a topic is recreated, and a source hangs.

use std::time::{Duration, Instant};

use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::kafka::Version;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::LINK;
use linkgate_tests::stage::trio::Trio;

use crate::stage::{mirrored, promote, records, until_status, wait_stopped};

/// Given a link that names another cluster id than that of the cluster at its address, when it was created
/// without validation, then nothing of the answering cluster is mirrored.
pub(crate) fn a_link_with_a_wrong_cluster_id_copies_nothing(trio: &mut Trio) {
    let source = trio.source.bootstrap();
    trio.source.admin().create_topic("foreign", 1, &[]);
    send(&source, "foreign", Kind::plain("none"), 30);
    let config = format!("bootstrap.servers={source}");
    let create = [
        "--create",
        "--link",
        "mistaken",
        "--config",
        &config,
        "--cluster-id",
        trio.other.id(),
        "--exclude-validate-link",
    ];
    let made = trio.linkgate.cluster_links(&create);
    if made.code == 0 {
        // The link may be refused or created: both are acceptable as long as nothing is copied.
        let _ = trio.linkgate.mirrors(&["--create", "--mirror-topic", "foreign", "--link", "mistaken"]);
        std::thread::sleep(Duration::from_secs(4));
    }
    let mut destination = trio.destination.admin();
    let held: i64 = match destination.topics().iter().any(|topic| topic == "foreign") {
        true => destination.offsets("foreign", LATEST).iter().sum(),
        false => 0,
    };
    assert_eq!(held, 0, "records of a cluster that the link does not name: {made:?}");
    let _ = trio.linkgate.cluster_links(&["--delete", "--link", "mistaken", "--force"]);
}

/// Given a mirror, when its destination topic is deleted and one of the same name is created at once, as
/// brokers with auto.create.topics.enable do, then the new topic gets nothing of the source. Brokers before
/// 4.1 address topics in Produce by name only. There the new topic may get the batches that were in flight
/// before Linkgate saw the new topic id, but nothing that was copied before.
pub(crate) fn a_topic_that_is_created_anew_gets_nothing_of_the_source(trio: &mut Trio) {
    mirrored(trio, "anew", 1, 500);
    let destination = trio.destination.direct_bootstrap();
    Admin::to(&destination).delete_topic("anew");
    Admin::to(&destination).create_topic("anew", 1, &[]);
    send(&trio.source.bootstrap(), "anew", Kind::plain("none"), 50);
    until("the mirror is forgotten or says what is wrong", LONG, || {
        (trio.linkgate.status(LINK, "anew") != "ACTIVE").then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    let held = Admin::to(&destination).offsets("anew", LATEST)[0];
    let under_way = if trio.destination.version() == Version::V3_9_1 { 50 } else { 0 };
    assert!(held <= under_way, "{held} records of the source in a topic that is no mirror");
    send(&trio.source.bootstrap(), "anew", Kind::plain("none"), 50);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(Admin::to(&destination).offsets("anew", LATEST), [held], "and it goes on");
}

/// Given a source that is probed once a second and counts as unavailable after three failures, when it hangs
/// without closing a connection, then its mirrors show that within five seconds. Once it goes on, they are
/// ACTIVE again within five seconds.
pub(crate) fn a_source_that_hangs_is_unavailable(trio: &mut Trio) {
    mirrored(trio, "silent", 1, 10);
    // (threshold + 1) periods, and one second of tolerance.
    let limit = Duration::from_secs(5);
    trio.pair.source.node(1).pause();
    let noticed = until_status(trio, "silent", "SOURCE_UNAVAILABLE", Duration::from_secs(30));
    trio.pair.source.node(1).resume();
    let back = until_status(trio, "silent", "ACTIVE", Duration::from_secs(30));
    println!("a source that hangs: noticed after {noticed:.1?}, back after {back:.1?}");
    assert!(noticed <= limit && back <= limit, "noticed after {noticed:?}, back after {back:?}");
    send(&trio.source.bootstrap(), "silent", Kind::plain("none"), 10);
    trio.assert_mirrored("silent");
}

/// Given mirrors, when another cluster with topics of the same names answers at the address of the source for
/// twelve seconds, then no mirror is FAILED, none is promoted by the offsets of that cluster, and all go on
/// once the source is back.
pub(crate) fn another_cluster_at_the_sources_address_changes_nothing(trio: &mut Trio) {
    for topic in ["swapped", "swapped-promoted"] {
        mirrored(trio, topic, 1, 30);
        let other = trio.other.direct_bootstrap();
        Admin::to(&other).create_topic(topic, 1, &[]);
        send(&other, topic, Kind::plain("gzip"), 7);
    }
    let source = trio.source.direct_bootstrap();
    trio.other_for_source();
    let begin = Instant::now();
    for topic in ["swapped", "swapped-promoted"] {
        send(&source, topic, Kind::plain("none"), 20);
    }
    std::thread::sleep(Duration::from_secs(1));
    let _ = trio.linkgate.mirrors(&["--promote", "--topics", "swapped-promoted"]).success("promote");
    while begin.elapsed() < Duration::from_secs(12) {
        for topic in ["swapped", "swapped-promoted"] {
            let state = trio.linkgate.status(LINK, topic);
            assert!(
                state != "FAILED" && state != "STOPPED",
                "{topic} is {state} by another cluster's answers"
            );
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    trio.source_back();
    trio.assert_mirrored("swapped");
    let _ = until_status(trio, "swapped", "ACTIVE", LONG);
    // This promote was requested while the other cluster answered.
    wait_stopped(trio, "swapped-promoted");
    assert_eq!(records(&trio.linkgate.bootstrap(), "swapped-promoted"), records(&source, "swapped-promoted"));
}

/// Given mirrors, one of them STOPPED, when the daemon is started once against another cluster and then
/// against its own again, then it knows all of them, the mirrored ones go on, and they are read-only as
/// before.
pub(crate) fn a_start_against_another_cluster_forgets_nothing(trio: &mut Trio) {
    mirrored(trio, "kept", 1, 20);
    mirrored(trio, "kept-stopped", 1, 20);
    promote(trio, "kept-stopped");
    let _ = trio.pair.linkgate.stop();
    let (right, wrong) = (trio.destination.bootstrap(), trio.other.direct_bootstrap());
    trio.linkgate.configure("bootstrap.servers", &wrong);
    trio.pair.linkgate.launch();
    std::thread::sleep(Duration::from_secs(9));
    // The daemon may have refused to work and exited.
    if trio.pair.linkgate.ended().is_none() {
        let _ = trio.pair.linkgate.stop();
    } else {
        trio.pair.linkgate.kill();
    }
    trio.linkgate.configure("bootstrap.servers", &right);
    trio.pair.linkgate.launch();
    trio.pair.linkgate.wait_ready();
    send(&trio.source.bootstrap(), "kept", Kind::plain("none"), 10);
    let states = ["kept", "kept-stopped"].map(|topic| trio.linkgate.status(LINK, topic));
    assert_eq!(states[1], "STOPPED", "{states:?}");
    let _ = until_status(trio, "kept", "ACTIVE", LONG);
    trio.assert_mirrored("kept");
    let refused =
        trio.destination.tools().console_producer(&trio.linkgate.bootstrap(), "kept", &[], "no\n").all();
    assert!(refused.contains("read-only mirror topic 'kept'"), "{refused}");
}
