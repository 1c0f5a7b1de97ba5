//! Rows about promotes in unplanned situations: an added partition, a compacted log, a refused group, a
//! second daemon.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::produce::{Kind, Sender, Writer, send};
use linkgate_tests::read::records::Record;
use linkgate_tests::stage::linkgate::http_get;
use linkgate_tests::stage::pair::LINK;
use linkgate_tests::stage::trio::Trio;

use crate::stage::{STOP_LIMIT, mirrored, promote, records};

/// Given a paused mirror, when its source topic gets partitions and producers use them, then a promote copies
/// all of their records.
pub(crate) fn a_promote_takes_partitions_that_were_added_while_paused(trio: &mut Trio) {
    let source = trio.source.bootstrap();
    mirrored(trio, "grown", 2, 40);
    let _ = trio.linkgate.mirrors(&["--pause", "--topics", "grown"]).success("pause");
    trio.linkgate.wait_status(LINK, "grown", "PAUSED");
    trio.source.admin().grow_topic("grown", 4);
    send(&source, "grown", Kind::plain("zstd"), 200);

    promote(trio, "grown");
    let (there, here) = (records(&source, "grown"), records(&trio.linkgate.bootstrap(), "grown"));
    let count = |all: &BTreeMap<i32, Vec<Record>>| all.values().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(count(&here), count(&there), "records of each partition");
    assert_eq!(here, there);
    assert!(there[&3].len() > 10, "the new partitions were used: {:?}", count(&there));
}

/// Given a topic with cleanup.policy=compact, for which brokers refuse DeleteRecords, when its mirror begins
/// at the latest offset, then it can be promoted and holds everything from that offset on.
pub(crate) fn a_compacted_topic_that_starts_late_is_promoted(trio: &mut Trio) {
    let source = trio.source.bootstrap();
    trio.source.admin().create_topic("late", 1, &[("cleanup.policy", "compact")]);
    send(&source, "late", Kind::plain("none"), 40);
    let create =
        ["--create", "--mirror-topic", "late", "--link", LINK, "--config", "mirror.start.offset.spec=latest"];
    let _ = trio.linkgate.mirrors(&create).success("create");
    send(&source, "late", Kind::plain("lz4"), 10);
    trio.wait_caught_up("late");

    promote(trio, "late");
    let mut there = records(&source, "late");
    there.values_mut().for_each(|all| all.retain(|record| record.offset >= 40));
    assert_eq!(records(&trio.linkgate.bootstrap(), "late"), there);
}

/// Given two groups, one with offsets that the destination refuses, when the topic is promoted, then it
/// opens, the offsets of the other group are there, and a task or the log names the refused group.
pub(crate) fn a_refused_group_holds_no_promote(trio: &mut Trio) {
    let source = trio.source.bootstrap();
    let filters = trio.linkgate.dir().join("groups.json");
    let text = r#"{"groupFilters":[{"name":"hold-","patternType":"PREFIXED","filterType":"INCLUDE"}]}"#;
    std::fs::write(&filters, text).expect("the work directory is writable");
    let config =
        format!("bootstrap.servers={source},consumer.offset.sync.enable=true,consumer.offset.sync.ms=1000");
    let filters = filters.display().to_string();
    let args =
        ["--create", "--link", "groups", "--config", &config, "--consumer-group-filters-json-file", &filters];
    let _ = trio.linkgate.cluster_links(&args).success("create the link");
    trio.source.admin().create_topic("grouped", 1, &[]);
    send(&source, "grouped", Kind::plain("none"), 30);
    let _ = trio
        .linkgate
        .mirrors(&["--create", "--mirror-topic", "grouped", "--link", "groups"])
        .success("create");
    trio.wait_caught_up("grouped");
    trio.source.admin().commit("hold-taken", &[("grouped", 0, 11)]);
    trio.source.admin().commit_noting("hold-refused", &[("grouped", 0, 12)], "nine byte");

    let _ = trio.linkgate.mirrors(&["--promote", "--topics", "grouped"]).success("promote");
    let begin = Instant::now();
    while trio.linkgate.status("groups", "grouped") != "STOPPED" {
        let mirror = trio.linkgate.mirror("groups", "grouped");
        assert!(begin.elapsed() < STOP_LIMIT, "not STOPPED after {STOP_LIMIT:?}: {mirror:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let taken = trio.destination.admin().group_offsets("hold-taken");
    assert_eq!(taken.get(&("grouped".to_owned(), 0)), Some(&11));
    let told = told_of_link(trio, "groups") + &trio.linkgate.log();
    assert!(told.contains("hold-refused"), "the refused group is named nowhere");
}

/// Returns the REST API's description of a link and its tasks.
fn told_of_link(trio: &Trio, link: &str) -> String {
    let url = format!(
        "{}/kafka/v3/clusters/{}/links/{link}?include_tasks=true",
        trio.linkgate.rest_url(),
        trio.linkgate.cluster_id()
    );
    http_get(&url).map(|(_, body)| body).unwrap_or_default()
}

/// Given two daemons with the same journal that both mirror, when one promotes a topic while the other goes
/// on, then the other one is fenced, and nothing of the source is appended to the open topic, although the
/// brokers forget producer ids after a second.
pub(crate) fn a_promote_beside_a_second_linkgate_is_final(trio: &mut Trio) {
    let source = trio.source.bootstrap();
    mirrored(trio, "twice", 1, 20);
    let _ = trio.pair.linkgate.stop();
    let mut second = trio.linkgate.copy("hold-second", &trio.destination.bootstrap(), &[]);
    trio.pair.linkgate.launch();
    trio.pair.linkgate.wait_ready();
    second.launch();
    second.wait_ready();
    // The second daemon always has something to append. Without that it could miss the fence: it reads the
    // log before an append only after an hour without an answer, and these brokers forget the fence after a
    // second.
    let writer = Writer::start(&source, "twice", Kind::idempotent("none"), 200);
    std::thread::sleep(Duration::from_secs(1));
    promote(trio, "twice");
    let opened = trio.destination.admin().offsets("twice", LATEST);
    second.wait_status(LINK, "twice", "FAILED");
    let _ = writer.stop();

    // The brokers forget the producer id of the last append.
    std::thread::sleep(Duration::from_secs(3));
    let mut sender = Sender::new(&trio.linkgate.bootstrap(), Kind::plain("none"));
    for n in 0..20 {
        sender.send("twice", &format!("mine-{n}"), "after the promote");
    }
    sender.finish();
    assert_eq!(sender.deliveries.failed(), 0, "the open topic takes writes");
    send(&source, "twice", Kind::plain("none"), 20);
    std::thread::sleep(Duration::from_secs(4));
    second.kill();

    let all = &records(&trio.destination.bootstrap(), "twice")[&0];
    let behind: Vec<&Record> = all.iter().filter(|record| record.offset >= opened[0]).collect();
    let mine = |record: &&Record| record.key.as_deref().unwrap_or_default().starts_with(b"mine-");
    let foreign = behind.iter().filter(|record| !mine(record)).count();
    assert_eq!(foreign, 0, "records of the source in the open topic, of {} behind the promote", behind.len());
    assert_eq!(behind.len(), 20);
}
