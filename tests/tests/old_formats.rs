//! Logs with messages of formats v0 and v1, as brokers up to 2.8 still write them. The mirror fails and names
//! format and place; it never guesses.

use std::collections::BTreeSet;
use std::time::Duration;

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::kafka::Version::{V2_8_2, V4_3_1};
use linkgate_tests::machine::process::Output;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use linkgate_tests::stage::pair::{LINK, Pair};

const FORMAT: &str = "message.format.version";

/// Returns the message formats in the first bytes that a fetch at `offset` returns.
fn formats(pair: &Pair, topic: &str, offset: i64) -> BTreeSet<i8> {
    read::formats(&pair.source.bootstrap(), topic, 0, offset).into_iter().map(|(_, magic)| magic).collect()
}

/// Alters the message format of a topic and writes until it has messages of that format: brokers with
/// ZooKeeper apply a config a moment later. Returns the offset of the first such message.
fn change_format(pair: &Pair, topic: &str, version: &str, magic: i8, kind: &Kind) -> i64 {
    let source = pair.source.bootstrap();
    pair.source.admin().alter_config(topic, FORMAT, version);
    until(&format!("{topic} has messages of format {magic}"), LONG, || {
        send(&source, topic, kind.clone(), 25);
        read::formats(&source, topic, 0, 0).into_iter().find(|(_, m)| *m == magic).map(|(offset, _)| offset)
    })
}

fn assert_failed(pair: &Pair, topic: &str, words: &[&str]) {
    pair.linkgate.wait_status(LINK, topic, "FAILED");
    let mirror = pair.linkgate.mirror(LINK, topic);
    assert_eq!(mirror["mirror_topic_error"], "UNSUPPORTED_MESSAGE_FORMAT", "{mirror:#}");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    println!("{topic}: {reason}");
    for word in words {
        assert!(reason.contains(word), "{topic}: the reason does not name {word:?}: {reason}");
    }
}

/// Given a source of 2.8 with topics in an old format, topics with an old format first and v2 later, and the
/// reverse, when they are mirrored, then each mirror fails at its first old message and names partition,
/// offset and format. It holds everything before that message, and a v2 topic beside them is still mirrored.
#[test]
fn a_mirror_fails_at_its_first_old_message() {
    let pair = Pair::between("old-formats", V2_8_2, V4_3_1, &[]);
    let source = pair.source.bootstrap();
    let mut admin = pair.source.admin();
    pair.link("");

    for (topic, version, magic) in [("v0", "0.9.0", 0), ("v1", "0.10.2", 1)] {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let topic = format!("{topic}-{codec}");
            admin.create_topic(&topic, 1, &[(FORMAT, version)]);
            send(&source, &topic, Kind { batch: 10, headers: false, ..Kind::plain(codec) }, 25);
            assert_eq!(formats(&pair, &topic, 0), [magic].into(), "{topic}");
            pair.mirror(&topic);
        }
    }
    // The broker does not convert old messages when the format of the topic changes.
    admin.create_topic("old-then-new", 1, &[(FORMAT, "0.10.2")]);
    send(&source, "old-then-new", Kind { batch: 10, headers: false, ..Kind::plain("none") }, 25);
    let _ = change_format(&pair, "old-then-new", "2.8", 2, &Kind { batch: 10, ..Kind::idempotent("lz4") });
    assert_eq!(formats(&pair, "old-then-new", 0), [1, 2].into());
    pair.mirror("old-then-new");
    pair.mirror_topic("new-then-old", 1, &[]);
    send(&source, "new-then-old", Kind { batch: 10, ..Kind::idempotent("lz4") }, 30);
    pair.assert_mirrored("new-then-old");
    let plain = Kind { batch: 10, headers: false, ..Kind::plain("none") };
    let old = change_format(&pair, "new-then-old", "0.9.0", 0, &plain);
    assert_eq!(formats(&pair, "new-then-old", 0), [0, 2].into());
    pair.mirror_topic("all-new", 1, &[]);

    for (topic, format) in [("v0", "v0"), ("v1", "v1")] {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let topic = format!("{topic}-{codec}");
            assert_failed(&pair, &topic, &["partition 0", "offset 0", &format!("message format {format}")]);
            assert_eq!(pair.destination.admin().offsets(&topic, LATEST), [0], "{topic}");
        }
    }
    assert_failed(&pair, "old-then-new", &["partition 0", "offset 0", "message format v1"]);
    assert_failed(&pair, "new-then-old", &["partition 0", &format!("source offset {old}:"), "format v0"]);
    assert_eq!(pair.destination.admin().offsets("new-then-old", LATEST), [old]);
    send(&source, "all-new", Kind::transactional("zstd", 5), 20);
    pair.assert_mirrored("all-new");
    assert_eq!(pair.linkgate.status(LINK, "all-new"), "ACTIVE");

    // A failover opens the topic with what came before the old messages.
    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "new-then-old"]).success("failover");
    pair.linkgate.wait_status(LINK, "new-then-old", "STOPPED");
    pair.wait_writable("new-then-old");
}

/// Given topics with old messages first and v2 batches behind them, when their mirrors begin at the end or at
/// a time after the old messages, then they are mirrored from there on, offset by offset. A time as the start
/// is refused for a log without timestamps.
#[test]
fn a_mirror_may_begin_behind_old_messages() {
    let pair = Pair::between("behind-old-formats", V2_8_2, V4_3_1, &[]);
    let source = pair.source.bootstrap();
    let mut admin = pair.source.admin();
    pair.link("");
    let mut starts = Vec::new();
    for topic in ["latest", "dated"] {
        admin.create_topic(topic, 1, &[(FORMAT, "0.10.2")]);
        send(&source, topic, Kind { batch: 10, headers: false, ..Kind::plain("gzip") }, 25);
        std::thread::sleep(Duration::from_millis(20));
        let new = change_format(&pair, topic, "2.8", 2, &Kind { batch: 10, ..Kind::idempotent("lz4") });
        assert_eq!(formats(&pair, topic, 0), [1, 2].into());
        starts.push(new);
    }
    let moment = read::partition_from(&source, "dated", 0, Some(starts[1])).records[0].timestamp.to_string();
    let end = admin.offsets("latest", LATEST)[0];
    for (topic, spec, start) in [("latest", "latest", end), ("dated", moment.as_str(), starts[1])] {
        let made = create_from(&pair, topic, spec);
        let _ = made.success("kafka-mirrors --create");
        send(&source, topic, Kind::transactional("zstd", 5), 20);
        pair.wait_caught_up(topic);
        until(&format!("{topic} begins at {start}"), LONG, || {
            (pair.destination.admin().offsets(topic, EARLIEST) == [start]).then_some(())
        });
        let there = read::partition_from(&source, topic, 0, Some(start));
        let here = read::partition(&pair.linkgate.bootstrap(), topic, 0);
        assert_eq!((&there.records, there.high_watermark), (&here.records, here.high_watermark), "{topic}");
        assert_eq!(pair.linkgate.status(LINK, topic), "ACTIVE");
    }

    admin.create_topic("undated", 1, &[(FORMAT, "0.9.0")]);
    send(&source, "undated", Kind { headers: false, ..Kind::plain("none") }, 25);
    let refused = create_from(&pair, "undated", &moment);
    println!("{}", refused.all());
    assert!(refused.code != 0 && refused.all().contains("UNSUPPORTED_FOR_MESSAGE_FORMAT"), "{refused:?}");
    assert!(!pair.destination.admin().topics().contains(&"undated".to_owned()));
}

fn create_from(pair: &Pair, topic: &str, spec: &str) -> Output {
    let spec = format!("mirror.start.offset.spec={spec}");
    pair.linkgate.mirrors(&["--create", "--mirror-topic", topic, "--link", LINK, "--config", &spec])
}
