//! Topics are created, deleted, grown and trimmed on either side: each mirror ends in the right state, with a
//! reason.

use std::time::Duration;

use linkgate_tests::kafka::Version;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

fn assert_failed(pair: &Pair, topic: &str, error: &str, words: &[&str]) {
    pair.linkgate.wait_status(LINK, topic, "FAILED");
    let mirror = pair.linkgate.mirror(LINK, topic);
    assert_eq!(mirror["mirror_topic_error"], error, "{mirror:#}");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    for word in words {
        assert!(reason.contains(word), "{topic}: the reason does not name {word:?}: {reason}");
    }
}

/// Creates a mirrored topic with 60 records.
fn mirrored(pair: &Pair, topic: &str, partitions: i32) {
    pair.mirror_topic(topic, partitions, &[]);
    send(&pair.source.bootstrap(), topic, Kind::idempotent("lz4"), 60);
    pair.assert_mirrored(topic);
}

/// Given mirrors, when their source topics are deleted, recreated, or recreated with fewer partitions, then
/// each mirror fails with that reason and keeps what it has. When the mirror topic itself is deleted, then
/// the mirror is forgotten.
#[test]
fn mirrors_of_deleted_and_recreated_topics_fail_or_are_forgotten() {
    let pair = Pair::small("life");
    pair.link("");
    for topic in ["deleted", "recreated", "fewer", "removed"] {
        mirrored(&pair, topic, 2);
    }
    let mut admin = pair.source.admin();
    for topic in ["deleted", "recreated", "fewer"] {
        admin.delete_topic(topic);
    }
    pair.destination.admin().delete_topic("removed");
    until("the topics are gone", LONG, || {
        let topics = pair.source.admin().topics();
        (!topics.iter().any(|topic| topic == "recreated" || topic == "fewer")).then_some(())
    });
    admin.create_topic("recreated", 2, &[]);
    admin.create_topic("fewer", 1, &[]);

    assert_failed(&pair, "deleted", "SOURCE_TOPIC_MAY_BE_DELETED", &["no topic 'deleted'"]);
    assert_failed(&pair, "recreated", "SOURCE_TOPIC_ID_CHANGED", &["created again"]);
    // The changed topic id is detected before the lower number of partitions.
    assert_failed(&pair, "fewer", "SOURCE_TOPIC_ID_CHANGED", &["created again"]);
    until("the mirror is forgotten", LONG, || pair.linkgate.mirror(LINK, "removed").is_null().then_some(()));
    let held: i64 =
        pair.destination.admin().offsets("deleted", linkgate_tests::client::admin::LATEST).iter().sum();
    assert_eq!(held, 60);
}

/// Given a mirror, when its source topic gets more partitions, then the mirror gets them too and their
/// records are mirrored, also after a restart.
#[test]
fn added_partitions_are_mirrored() {
    let mut pair = Pair::small("grown");
    let source = pair.source.bootstrap();
    pair.link("");
    mirrored(&pair, "t", 2);

    let _ = pair
        .source
        .tools()
        .topics(&source, &["--alter", "--topic", "t", "--partitions", "5"])
        .success("alter");
    send(&source, "t", Kind::plain("none"), 500);

    until("the mirror has five partitions", LONG, || {
        (pair.linkgate.mirror(LINK, "t")["num_partitions"] == 5).then_some(())
    });
    pair.assert_mirrored("t");
    pair.linkgate.restart();
    send(&source, "t", Kind::plain("zstd"), 500);
    pair.assert_mirrored("t");
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", "t"]).success("promote");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
}

/// Given a mirror topic, when message.timestamp.type=LogAppendTime is set directly at the destination, then
/// the next batch makes the mirror FAILED: it no longer holds what the source holds.
#[test]
fn a_changed_timestamp_type_on_the_destination_is_detected() {
    let pair = Pair::small("altered");
    // A longer period, or the config sync would repair the config before anything is written.
    pair.link("topic.config.sync.ms=600000");
    mirrored(&pair, "t", 1);
    pair.destination.admin().alter_config("t", "message.timestamp.type", "LogAppendTime");
    send(&pair.source.bootstrap(), "t", Kind::plain("none"), 5);
    assert_failed(&pair, "t", "ILLEGAL_STATE", &["offset 60", "message.timestamp.type"]);
}

/// Starts a source of three brokers and a mirrored topic of two replicas. The second replica is down and lags
/// behind the mirror by 30 of 60 records; it is about to become the leader.
fn about_to_lose_records(name: &str) -> Pair {
    let mut pair = Pair::start(name, Version::V4_3_1, 3, 1);
    let source = pair.source.bootstrap();
    pair.link("");
    let created = pair.source.tools().topics(
        &source,
        &[
            "--create",
            "--topic",
            "t",
            "--replica-assignment",
            "1:2",
            "--config",
            "unclean.leader.election.enable=true",
            "--config",
            "min.insync.replicas=1",
        ],
    );
    let _ = created.success("create");
    until("every broker knows the topic", LONG, || {
        let known = |id| {
            let address = format!("127.0.0.1:{}", pair.source.node(id).port);
            linkgate_tests::client::admin::Admin::to(&address).topics().iter().any(|topic| topic == "t")
        };
        [1, 2, 3].into_iter().all(known).then_some(())
    });
    pair.mirror("t");
    send(&source, "t", Kind::idempotent("none"), 30);
    pair.assert_mirrored("t");
    pair.source.node(2).stop();
    send(&source, "t", Kind::idempotent("none"), 30);
    pair.wait_caught_up("t");
    pair
}

fn elect_uncleanly(pair: &mut Pair) {
    pair.source.node(1).kill();
    std::thread::sleep(Duration::from_secs(1));
    pair.source.node(2).start();
}

/// Given a mirror that is ahead of a replica of its source, when that replica becomes the leader (an unclean
/// election), then the mirror fails: it holds records that the source has lost.
#[test]
fn an_unclean_election_on_the_source_fails_the_mirror() {
    let mut pair = about_to_lose_records("unclean");
    elect_uncleanly(&mut pair);
    assert_failed(&pair, "t", "UNEXPECTED_TRUNCATION", &["30"]);
}

/// Given an unclean election while Linkgate is down, when more has been written to the source since than it
/// lost, then the mirror fails too: its last record is not that of the source.
#[test]
fn an_unclean_election_while_linkgate_is_down_is_detected_by_content() {
    let mut pair = about_to_lose_records("unclean-down");
    pair.linkgate.kill();
    elect_uncleanly(&mut pair);
    let second = pair.source.node(2).port;
    until("the second replica leads", LONG, || {
        let leaders = linkgate_tests::client::admin::Admin::to(&format!("127.0.0.1:{second}")).leaders("t");
        leaders.first().is_some_and(|leader| leader.address.ends_with(&format!(":{second}"))).then_some(())
    });
    send(&format!("127.0.0.1:{second}"), "t", Kind::plain("none"), 100);
    // The link knows only the first broker of the source.
    pair.source.node(1).start();
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
    assert_failed(&pair, "t", "UNEXPECTED_TRUNCATION", &["offset 59"]);
}
