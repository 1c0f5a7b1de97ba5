//! A promote is the planned end of a mirror: no record is missing, and the topic is an ordinary one
//! afterwards.

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::produce::{Kind, Writer, send};
use linkgate_tests::read;
use linkgate_tests::stage::pair::{LINK, Pair};

const SCHEDULED: &str = "Request for stopping topic t's mirror was successfully scheduled.";

/// Given a mirror of a topic that was written with several codecs and with transactions, when it is promoted,
/// then every record is there with only a fence behind it, the topic has the configs of the source, and
/// writes are accepted.
#[test]
fn a_promoted_topic_is_complete_and_writable() {
    let pair = Pair::forgetful("promote");
    let source = pair.source.bootstrap();
    pair.link("topic.config.sync.ms=1000");
    pair.mirror_topic("t", 3, &[("compression.type", "lz4"), ("retention.ms", "7200000")]);
    for kind in [Kind::plain("none"), Kind::idempotent("gzip"), Kind::transactional("zstd", 30)] {
        send(&source, "t", kind, 300);
    }
    let writer = Writer::start(&source, "t", Kind::idempotent("lz4"), 500);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let _ = writer.stop();

    let output = pair.linkgate.mirrors(&["--promote", "--topics", "t"]).success("promote").stdout;
    assert!(output.contains("Calculating max offset and ms lag for mirror topics: [t]"), "{output}");
    assert!(
        output.contains("Finished calculating max offset lag and max lag ms for mirror topics: [t]"),
        "{output}"
    );
    assert!(output.contains(SCHEDULED), "{output}");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");

    // Only the fences stand behind the records of the source, and no client sees them.
    read::assert_promoted(&source, &pair.linkgate.bootstrap(), "t");
    let mut destination = pair.destination.admin();
    assert_eq!(destination.config("t", "compression.type").as_deref(), Some("lz4"));
    assert_eq!(destination.config("t", "retention.ms").as_deref(), Some("7200000"));

    send(&pair.linkgate.bootstrap(), "t", Kind::transactional("lz4", 10), 50);
    send(&pair.destination.bootstrap(), "t", Kind::idempotent("none"), 50);
    let again = pair.linkgate.mirrors(&["--promote", "--topics", "t"]);
    assert!(again.all().contains("Topic 't' has already stopped its mirror from 'test-link'"), "{again:?}");
    // Later writes to the source do not change the promoted topic.
    let opened = pair.destination.admin().offsets("t", LATEST);
    send(&source, "t", Kind::plain("none"), 20);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(pair.destination.admin().offsets("t", LATEST), opened);
}

/// Given a source that does not answer, when a promote is requested, then it is accepted and waits, the topic
/// stays read-only, and a failover ends the mirror.
#[test]
fn a_promote_without_a_source_waits_and_a_failover_ends_it() {
    let mut pair = Pair::forgetful("promote-alone");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::plain("none"), 40);
    pair.assert_mirrored("t");
    pair.source.kill();

    let _ = pair.linkgate.mirrors(&["--promote", "--topics", "t"]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let status = pair.linkgate.status(LINK, "t");
    assert!(["PENDING_STOPPED", "SOURCE_UNAVAILABLE", "ACTIVE"].contains(&status.as_str()), "{status}");
    let tools = pair.destination.tools();
    let refused = tools.console_producer(&pair.linkgate.bootstrap(), "t", &[], "no\n").all();
    assert!(refused.contains("read-only mirror topic 't'"), "{refused}");

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    pair.wait_writable("t");
}
