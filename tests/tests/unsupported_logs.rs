//! What is not mirrored yet makes a mirror FAILED, with offset and cause, and is never copied wrongly.

use linkgate_tests::admin::LATEST;
use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::wait::{LONG, until};

fn assert_failed(pair: &Pair, topic: &str, words: &[&str]) {
    pair.linkgate.wait_status(LINK, topic, "FAILED");
    let mirror = pair.linkgate.mirror(LINK, topic);
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default().to_lowercase();
    for word in words {
        assert!(
            reason.contains(&word.to_lowercase()),
            "{topic}: the reason does not name {word:?}: {mirror:#}"
        );
    }
    // Every record that is there stands where the source has it, unless the source has it no more.
    let source = linkgate_tests::read::topic(&pair.source.bootstrap(), topic);
    for (partition, copy) in linkgate_tests::read::topic(&pair.linkgate.bootstrap(), topic) {
        let log_start = source[&partition].log_start;
        for record in copy.records.iter().filter(|r| r.offset >= log_start) {
            let same = source[&partition].records.iter().any(|r| r == record);
            assert!(same, "{topic}-{partition} holds at offset {} what the source does not", record.offset);
        }
    }
}

/// Given logs of shapes that this version does not mirror, when mirror topics are made of them, then each fails by saying
/// where and why.
#[test]
fn each_says_where_and_why() {
    let pair = Pair::small("unsupported");
    let source = pair.source.bootstrap();
    pair.link("");
    let mut admin = pair.source.admin();

    admin.create_topic("trimmed", 1, &[]);
    send(&source, "trimmed", Kind { batch: 10, ..Kind::plain("none") }, 100);
    admin.delete_records("trimmed", 0, 40);
    pair.mirror("trimmed");
    assert_failed(&pair, "trimmed", &["40", "log start"]);

    admin.create_topic("appendtime", 1, &[("message.timestamp.type", "LogAppendTime")]);
    send(&source, "appendtime", Kind::plain("none"), 10);
    pair.mirror("appendtime");
    assert_failed(&pair, "appendtime", &["offset 0", "LogAppendTime"]);

    // Keys repeat, so that the cleaner leaves gaps below the last segment.
    let compact = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "1000"),
        ("min.compaction.lag.ms", "0"),
    ];
    admin.create_topic("compacted", 1, &compact);
    until("the cleaner has left gaps", LONG, || {
        send(&source, "compacted", Kind { batch: 20, ..Kind::plain("none") }, 60);
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        let end = pair.source.admin().offsets("compacted", LATEST)[0];
        let copy = linkgate_tests::read::partition(&source, "compacted", 0);
        (i64::try_from(copy.records.len()).unwrap() < end).then_some(())
    });
    pair.mirror("compacted");
    assert_failed(&pair, "compacted", &["offset"]);
}

/// Given an active mirror, when the source trims records that the mirror does not have yet, then it fails by naming where.
#[test]
fn records_that_vanished_before_they_were_copied() {
    let pair = Pair::small("vanished");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::plain("none"), 20);
    pair.assert_mirrored("t");
    let _ = pair.linkgate.mirrors(&["--pause", "--topics", "t"]).success("pause");
    pair.linkgate.wait_status(LINK, "t", "PAUSED");
    send(&source, "t", Kind { batch: 5, ..Kind::plain("none") }, 50);
    pair.source.admin().delete_records("t", 0, 45);
    let _ = pair.linkgate.mirrors(&["--resume", "--topics", "t"]).success("resume");
    assert_failed(&pair, "t", &["20"]);
    assert_eq!(pair.destination.admin().offsets("t", LATEST), [20]);
}

/// Given a compacted topic whose mirror failed at a transaction, when the mirror is failed over as its reason suggests, then the
/// topic opens, although it takes no records without a key.
#[test]
fn a_failed_mirror_of_a_compacted_topic_can_be_failed_over() {
    let pair = Pair::small("compacted-transaction");
    pair.link("");
    pair.mirror_topic("t", 1, &[("cleanup.policy", "compact")]);
    send(&pair.source.bootstrap(), "t", Kind::transactional("none", 5), 20);
    assert_failed(&pair, "t", &["offset", "INVALID_RECORD"]);

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");

    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    pair.wait_writable("t");
}
