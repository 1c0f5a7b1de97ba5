//! Source logs of every shape are mirrored as their readers see them, and the mirror reports gaps and delays.

use std::time::Duration;

use linkgate_tests::client::Connection;
use linkgate_tests::kafka::Version;
use linkgate_tests::machine::wait::{LONG, until, until_ok};
use linkgate_tests::produce::raw_batch::{batch, record, write};
use linkgate_tests::produce::{Kind, Sender, send};
use linkgate_tests::read;
use linkgate_tests::stage::pair::{LINK, Pair};

/// Returns what the REST API reports for partition 0 of a mirror topic.
fn partition(pair: &Pair, topic: &str) -> serde_json::Value {
    pair.linkgate.mirror(LINK, topic)["linkgate"]["partitions"][0].clone()
}

/// Given a log that begins inside a batch and a log with LogAppendTime, when they are mirrored, then the
/// mirror topics hold the same.
#[test]
fn a_trimmed_log_and_a_log_append_time_log_are_mirrored() {
    let pair = Pair::small("shapes");
    let source = pair.source.bootstrap();
    pair.link("");
    let mut admin = pair.source.admin();
    admin.create_topic("trimmed", 1, &[]);
    send(&source, "trimmed", Kind { batch: 10, ..Kind::plain("none") }, 100);
    admin.delete_records("trimmed", 0, 45);
    admin.create_topic("appendtime", 1, &[("message.timestamp.type", "LogAppendTime")]);
    send(&source, "appendtime", Kind::plain("lz4"), 10);
    for topic in ["trimmed", "appendtime"] {
        pair.mirror(topic);
        pair.assert_mirrored(topic);
        assert_eq!(pair.linkgate.status(LINK, topic), "ACTIVE");
    }
}

/// Given brokers that accept no large batches, when a topic is full of small batches, then they are joined
/// only up to the limit of the mirror topic, and its `max.message.bytes` stays that of the source.
#[test]
fn small_batches_are_joined_up_to_the_limit_of_the_topic() {
    let limit = [("message.max.bytes", "40000")];
    let pair = Pair::between("joined", Version::V4_3_1, Version::V4_3_1, &limit);
    pair.link("");
    pair.source.admin().create_topic("t", 1, &[]);
    let leader = pair.source.admin().leaders("t").remove(0);
    let mut connection = Connection::open(&leader.address).unwrap_or_else(|e| panic!("{e}"));
    let small = batch(vec![record(1_700_000_000_000, Some(b"key"), Some(&[b'.'; 5_000])); 2]);
    for _ in 0..60 {
        until_ok("the source takes a batch", LONG, || write(&mut connection, "t", 0, &small));
    }
    pair.mirror("t");
    pair.assert_mirrored("t");
    let mut destination = pair.destination.admin();
    assert_eq!(destination.config("t", "max.message.bytes").as_deref(), Some("40000"));
    let batches = read::raw(&pair.destination.bootstrap(), "t", 0);
    let records: Vec<_> = batches.iter().map(|batch| batch.records.len()).collect();
    assert!(records.iter().all(|records| *records <= 6), "larger than the topic takes: {records:?}");
    assert!(records.iter().any(|records| *records > 2), "not joined at all: {records:?}");
}

/// Given a mirror whose daemon is down, when the source trims records that the mirror does not have yet, then
/// the mirror goes on behind them, its log start follows, and the log start jump is reported, also after
/// another restart.
#[test]
fn a_log_start_jump_while_the_daemon_is_down_is_reported() {
    let mut pair = Pair::small("vanished");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::plain("none"), 20);
    pair.assert_mirrored("t");
    assert!(partition(&pair, "t")["last_jump"].is_null());
    pair.linkgate.kill();
    send(&source, "t", Kind { batch: 5, ..Kind::plain("none") }, 50);
    pair.source.admin().delete_records("t", 0, 45);

    pair.linkgate.launch();
    pair.linkgate.wait_ready();

    pair.assert_mirrored("t");
    for _ in 0..2 {
        let jump = partition(&pair, "t")["last_jump"].clone();
        assert_eq!((jump["from"].as_i64(), jump["to"].as_i64()), (Some(20), Some(45)), "{jump}");
        assert_eq!(jump["count"], 1, "{jump}");
        pair.linkgate.restart();
    }
}

/// Given a live mirror, when records that both sides hold are deleted on the source, then the log start of
/// the mirror follows.
#[test]
fn the_log_start_follows_deletions_on_the_source() {
    let pair = Pair::small("deleted");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 2, &[]);
    send(&source, "t", Kind::idempotent("zstd"), 200);
    pair.assert_mirrored("t");
    let ends = pair.source.admin().offsets("t", linkgate_tests::client::admin::LATEST);
    pair.source.admin().delete_records("t", 0, ends[0] / 2);
    pair.source.admin().delete_records("t", 1, ends[1]);
    pair.assert_mirrored("t");
    send(&source, "t", Kind::plain("none"), 50);
    pair.assert_mirrored("t");
    assert!(partition(&pair, "t")["last_jump"].is_null(), "nothing was missed");
}

/// Given an open transaction on the source, when other producers write behind it, then the mirror names the
/// producer id that holds it back and the offset, and goes on when the transaction ends.
#[test]
fn an_open_transaction_is_named() {
    let pair = Pair::small("held");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::plain("none"), 7);
    pair.assert_mirrored("t");
    let mut open = Sender::new(&source, Kind::transactional("none", 1_000));
    open.send("t", "k", "first of an open transaction");
    std::thread::sleep(Duration::from_millis(500));
    send(&source, "t", Kind::plain("none"), 5);

    until("the producer is named", LONG, || {
        let reason = partition(&pair, "t")["reason"].as_str().unwrap_or_default().to_owned();
        (reason.contains("open transaction of producer id") && reason.contains("from 7 on")).then_some(())
    });
    let seen = partition(&pair, "t");
    assert!(seen["open_transaction"].is_object(), "{seen:#}");

    open.finish();
    // The coordinator writes the marker a moment after it has answered.
    until("the marker is written", LONG, || {
        let mut source = pair.source.admin();
        (source.last_stable_offsets("t") == source.offsets("t", linkgate_tests::client::admin::LATEST))
            .then_some(())
    });
    pair.assert_mirrored("t");
    until("nothing holds it back", LONG, || {
        partition(&pair, "t")["reason"].as_str().is_some_and(str::is_empty).then_some(())
    });
}

/// Given a topic that became compacted while it held records without a key, when it is mirrored, then the
/// mirror holds all other records at their offsets and stays ACTIVE.
#[test]
fn records_without_a_key_are_left_out_of_a_compacted_mirror() {
    let pair = Pair::small("unkeyed");
    let source = pair.source.bootstrap();
    pair.link("");
    let mut admin = pair.source.admin();
    admin.create_topic("t", 1, &[]);
    send(&source, "t", Kind::plain("none"), 10);
    let _ =
        pair.source.tools().console_producer(&source, "t", &[], "no key\nnone either\n").success("produce");
    send(&source, "t", Kind::plain("gzip"), 10);
    admin.alter_config("t", "cleanup.policy", "compact");

    pair.mirror("t");

    pair.wait_caught_up("t");
    let kept = |bootstrap: &str| {
        let copy = read::partition(bootstrap, "t", 0);
        copy.records.into_iter().filter(|record| record.key.is_some()).collect::<Vec<_>>()
    };
    let mirrored = read::partition(&pair.linkgate.bootstrap(), "t", 0).records;
    assert_eq!(mirrored.len(), 20);
    assert_eq!(mirrored, kept(&source));
    assert_eq!(pair.linkgate.status(LINK, "t"), "ACTIVE");
    assert_eq!(pair.linkgate.metric("linkgate_mirror_unkeyed_records_total"), 2.0);

    // When the topic is no longer compacted, then records without a key are mirrored again.
    admin.alter_config("t", "cleanup.policy", "delete");
    let mut here = pair.destination.admin();
    until("the mirror topic is not compacted", LONG, || {
        (here.config("t", "cleanup.policy").as_deref() == Some("delete")).then_some(())
    });
    let _ = pair.source.tools().console_producer(&source, "t", &[], "legal\nagain\n").success("produce");
    pair.wait_caught_up("t");
    let mirrored = read::partition(&pair.linkgate.bootstrap(), "t", 0).records;
    assert_eq!(mirrored[20..], read::partition(&source, "t", 0).records[22..]);
    assert_eq!((mirrored.len(), pair.linkgate.status(LINK, "t").as_str()), (22, "ACTIVE"));
}

/// Given a compacted topic with transactions, when its mirror is failed over, then the topic takes writes.
#[test]
fn a_compacted_mirror_of_transactions_can_be_failed_over() {
    let pair = Pair::small("compacted-transaction");
    pair.link("");
    pair.mirror_topic("t", 1, &[("cleanup.policy", "compact")]);
    send(&pair.source.bootstrap(), "t", Kind::transactional("none", 5), 20);
    pair.assert_mirrored("t");

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");

    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    pair.wait_writable("t");
}
