//! Topics come, go, grow and lose records on either side: each mirror ends in the right state, with a reason.

use std::time::Duration;

use linkgate_tests::kafka::Version;
use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::wait::{LONG, until};

fn assert_failed(pair: &Pair, topic: &str, error: &str, words: &[&str]) {
    pair.linkgate.wait_status(LINK, topic, "FAILED");
    let mirror = pair.linkgate.mirror(LINK, topic);
    assert_eq!(mirror["mirror_topic_error"], error, "{mirror:#}");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    for word in words {
        assert!(reason.contains(word), "{topic}: the reason does not name {word:?}: {reason}");
    }
}

/// A mirrored topic with some records.
fn mirrored(pair: &Pair, topic: &str, partitions: i32) {
    pair.mirror_topic(topic, partitions, &[]);
    send(&pair.source.bootstrap(), topic, Kind::idempotent("lz4"), 60);
    pair.assert_mirrored(topic);
}

/// Given mirrors, when their source topics are deleted, created anew, or created anew with fewer partitions, then each fails
/// for that reason and keeps what it has; when the mirror topic itself is deleted, the mirror is gone.
#[test]
fn deleted_and_recreated_topics() {
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
    assert_failed(&pair, "recreated", "SOURCE_TOPIC_ID_CHANGED", &["created anew"]);
    // It is another topic first of all.
    assert_failed(&pair, "fewer", "SOURCE_TOPIC_ID_CHANGED", &["created anew"]);
    until("the mirror is forgotten", LONG, || pair.linkgate.mirror(LINK, "removed").is_null().then_some(()));
    let held: i64 = pair.destination.admin().offsets("deleted", linkgate_tests::admin::LATEST).iter().sum();
    assert_eq!(held, 60);
}

/// Given a mirror, when its source topic gets more partitions, then the mirror gets them too and what is written there is
/// mirrored, also after a restart.
#[test]
fn partitions_that_are_added_follow() {
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

/// Given a mirror topic, when somebody gives it timestamps of its own behind Linkgate's back, then the next batch makes it
/// FAILED: what it holds is no longer what the source holds.
#[test]
fn timestamps_of_the_destinations_own_are_noticed() {
    let pair = Pair::small("altered");
    // The sync of configs would put it right before anything is written.
    pair.link("topic.config.sync.ms=600000");
    mirrored(&pair, "t", 1);
    pair.destination.admin().alter_config("t", "message.timestamp.type", "LogAppendTime");
    send(&pair.source.bootstrap(), "t", Kind::plain("none"), 5);
    assert_failed(&pair, "t", "ILLEGAL_STATE", &["offset 60", "message.timestamp.type"]);
}

/// A source of three brokers with a mirrored topic of two replicas, whose second one lags behind the mirror by 30 of 60
/// records and is about to become the leader.
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
            linkgate_tests::admin::Admin::to(&address).topics().iter().any(|topic| topic == "t")
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

/// Given a mirror that is ahead of a replica of its source, when that replica becomes the leader (an unclean election), then
/// the mirror fails: it holds records that the source has lost.
#[test]
fn an_unclean_election_on_the_source_is_no_silent_divergence() {
    let mut pair = about_to_lose_records("unclean");
    elect_uncleanly(&mut pair);
    assert_failed(&pair, "t", "UNEXPECTED_TRUNCATION", &["30"]);
}

/// Given the same while Linkgate is down, when others have written more to the source than it lost, then the mirror fails
/// too: its last record is not the source's.
#[test]
fn an_unclean_election_while_linkgate_was_down_is_found_by_content() {
    let mut pair = about_to_lose_records("unclean-down");
    pair.linkgate.kill();
    elect_uncleanly(&mut pair);
    let second = pair.source.node(2).port;
    until("the second replica leads", LONG, || {
        let leaders = linkgate_tests::admin::Admin::to(&format!("127.0.0.1:{second}")).leaders("t");
        leaders.first().is_some_and(|leader| leader.address.ends_with(&format!(":{second}"))).then_some(())
    });
    send(&format!("127.0.0.1:{second}"), "t", Kind::plain("none"), 100);
    // The link knows the source by its first broker.
    pair.source.node(1).start();
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
    assert_failed(&pair, "t", "UNEXPECTED_TRUNCATION", &["offset 59"]);
}
