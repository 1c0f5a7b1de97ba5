//! A failover ends a mirror without its source: at once, with a fence, and never with half a transaction.

use std::time::Duration;

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::produce::{Kind, Sender, Writer, send};
use linkgate_tests::read;
use linkgate_tests::stage::pair::{LINK, Pair};

/// Given a source that was killed in the middle of an open transaction, when its mirror is failed over, then
/// the topic holds exactly a prefix of the committed records of the source, no transaction stays open, and
/// writes are accepted.
#[test]
fn a_failed_over_topic_holds_a_prefix_of_the_committed_records() {
    let mut pair = Pair::forgetful("failover");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("zstd"), 400);
    send(&source, "t", Kind::transactional("lz4", 20), 90);
    // Forty records of a transaction that is never completed.
    let mut open = Sender::new(&source, Kind::transactional("none", 1_000));
    for n in 0..40 {
        open.send("t", &format!("open-{n}"), "never committed");
    }
    std::thread::sleep(Duration::from_millis(500));
    send(&source, "t", Kind::plain("none"), 10);
    pair.wait_caught_up("t");
    let before = read::partition(&source, "t", 0);
    pair.source.kill();
    std::mem::forget(open);

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    pair.wait_writable("t");

    let after = read::partition(&pair.linkgate.bootstrap(), "t", 0);
    assert!(after.records.len() > before.records.len(), "the writes since are there");
    assert_eq!(after.records[..before.records.len()], before.records[..], "what was committed comes first");
    assert!(after.records.iter().all(|r| !r.key.as_deref().unwrap_or_default().starts_with(b"open-")));
    // An open transaction would stop every read_committed client for good.
    let end = pair.destination.admin().offsets("t", LATEST);
    assert_eq!(pair.destination.admin().last_stable_offsets("t"), end);
}

/// Given a mirror under load, when it is failed over while the source goes on, then no record of the source
/// is appended after the first write of a client.
#[test]
fn no_source_record_follows_the_first_client_write() {
    let pair = Pair::forgetful("fence");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 2, &[]);
    let writer = Writer::start(&source, "t", Kind::idempotent("lz4"), 2_000);
    std::thread::sleep(Duration::from_secs(2));

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    let opened = pair.destination.admin().offsets("t", LATEST);
    for n in 0..100 {
        let mut sender = Sender::new(&pair.linkgate.bootstrap(), Kind::plain("none"));
        sender.send("t", &format!("mine-{n}"), "after the failover");
        sender.finish();
        assert_eq!(sender.deliveries.failed(), 0);
        if n % 10 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = writer.stop();
    let mine: i64 = 100;
    let end = pair.destination.admin().offsets("t", LATEST);
    assert_eq!(end.iter().sum::<i64>(), opened.iter().sum::<i64>() + mine);
    for (partition, copy) in read::topic(&pair.linkgate.bootstrap(), "t") {
        let opened = opened[usize::try_from(partition).unwrap()];
        for record in &copy.records {
            let is_mine = record.key.as_deref().unwrap_or_default().starts_with(b"mine-");
            assert_eq!(is_mine, record.offset >= opened, "partition {partition} offset {}", record.offset);
        }
    }
}

/// Given a mirror that no round of the config sync has seen yet, when its source is gone and it is failed over,
/// then the topic gets the source's values of the configs that Linkgate owned.
#[test]
fn a_mirror_that_was_just_created_gets_its_configs_back() {
    let mut pair = Pair::small("young");
    // No round falls into the test.
    pair.link("topic.config.sync.ms=3600000");
    pair.mirror_topic("t", 1, &[("compression.type", "lz4")]);
    let compression = |pair: &Pair| pair.destination.admin().config("t", "compression.type");
    assert_eq!(compression(&pair).as_deref(), Some("producer"));
    pair.source.kill();

    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "t"]).success("failover");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    assert_eq!(compression(&pair).as_deref(), Some("lz4"));
}
