//! Logs that were refused once are mirrored as their readers see them.

use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, send};

/// Given a log that begins above 0 and one whose timestamps are the broker's, when mirror topics are made of them, then they
/// hold the same.
#[test]
fn a_trimmed_log_and_one_of_broker_timestamps_are_mirrored() {
    let pair = Pair::small("shapes");
    let source = pair.source.bootstrap();
    pair.link("");
    let mut admin = pair.source.admin();
    admin.create_topic("trimmed", 1, &[]);
    send(&source, "trimmed", Kind { batch: 10, ..Kind::plain("none") }, 100);
    admin.delete_records("trimmed", 0, 45);
    admin.create_topic("appendtime", 1, &[("message.timestamp.type", "LogAppendTime")]);
    send(&source, "appendtime", Kind::plain("none"), 10);
    for topic in ["trimmed", "appendtime"] {
        pair.mirror(topic);
        pair.assert_mirrored(topic);
        assert_eq!(pair.linkgate.status(LINK, topic), "ACTIVE");
    }
}

/// Given a mirror that is paused, when the source trims records that the mirror does not have yet, then it goes on behind them
/// and the jump is on record.
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
    pair.assert_mirrored("t");
    assert!(pair.linkgate.log().contains("filler stands in their place"), "the jump is not in the log");
}
