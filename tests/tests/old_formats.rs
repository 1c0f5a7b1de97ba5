//! Logs with messages of formats v0 and v1, as brokers up to 2.8 still write them: refused by name and place, never guessed.

use linkgate_tests::admin::LATEST;
use linkgate_tests::kafka::Version::{V2_8_2, V4_3_1};
use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use std::collections::BTreeSet;

const FORMAT: &str = "message.format.version";

/// The formats that a partition's first fetched bytes have.
fn formats(pair: &Pair, topic: &str, offset: i64) -> BTreeSet<i8> {
    read::formats(&pair.source.bootstrap(), topic, 0, offset).into_iter().map(|(_, magic)| magic).collect()
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

/// Given a source of 2.8 with topics in old formats, in old formats first and v2 later, and in v2 first and an old format
/// later, when they are mirrored, then each fails at the first old message by naming partition, offset and format, holds
/// all that came before it, and a topic of v2 beside them is mirrored on.
#[test]
fn each_fails_at_its_first_old_message() {
    let pair = Pair::between("old-formats", V2_8_2, V4_3_1, &[]);
    let source = pair.source.bootstrap();
    let mut admin = pair.source.admin();
    pair.link("");

    for (topic, version, magic) in [("v0", "0.9.0", 0), ("v1", "0.10.2", 1)] {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let topic = format!("{topic}-{codec}");
            admin.create_topic(&topic, 1, &[(FORMAT, version)]);
            send(&source, &topic, Kind { batch: 10, ..Kind::plain(codec) }, 25);
            assert_eq!(formats(&pair, &topic, 0), [magic].into(), "{topic}");
            pair.mirror(&topic);
        }
    }
    // The old messages stay what they are when the topic is brought up to date, the broker does not convert them.
    admin.create_topic("old-then-new", 1, &[(FORMAT, "0.10.2")]);
    send(&source, "old-then-new", Kind { batch: 10, ..Kind::plain("none") }, 25);
    admin.alter_config("old-then-new", FORMAT, "2.8");
    send(&source, "old-then-new", Kind { batch: 10, ..Kind::idempotent("lz4") }, 30);
    assert_eq!(formats(&pair, "old-then-new", 0), [1, 2].into());
    pair.mirror("old-then-new");
    pair.mirror_topic("new-then-old", 1, &[]);
    send(&source, "new-then-old", Kind { batch: 10, ..Kind::idempotent("lz4") }, 30);
    pair.assert_mirrored("new-then-old");
    admin.alter_config("new-then-old", FORMAT, "0.9.0");
    send(&source, "new-then-old", Kind { batch: 10, ..Kind::plain("none") }, 25);
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
    assert_failed(&pair, "new-then-old", &["partition 0", "offset 30", "message format v0"]);
    assert_eq!(pair.destination.admin().offsets("new-then-old", LATEST), [30]);
    send(&source, "all-new", Kind::transactional("zstd", 5), 20);
    pair.assert_mirrored("all-new");
    assert_eq!(pair.linkgate.status(LINK, "all-new"), "ACTIVE");

    // What came before the old messages can be had.
    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "new-then-old"]).success("failover");
    pair.linkgate.wait_status(LINK, "new-then-old", "STOPPED");
    pair.wait_writable("new-then-old");
}
