//! The core of mirroring on every pair of versions: sources on 2.8 (with ZooKeeper), 3.9 and 4.3,
//! destinations on 3.9 and 4.3.
//!
//! There is one test for each pair, so that a failure names the pair; each runs [`core`]. Logs of every shape
//! are there before their mirrors are created, and more is written while the mirrors follow and the daemon is
//! killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkgate_tests::kafka::Version::{self, V2_8_2, V3_9_1, V4_3_1};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, Writer, send};
use linkgate_tests::read::records::Record;
use linkgate_tests::read::{self, PartitionCopy};
use linkgate_tests::stage::pair::{LINK, Pair};

const TOPICS: [&str; 5] = ["codecs", "transactions", "trimmed", "appendtime", "compacted"];
/// All codecs of Kafka. A broker of 2.8 knows all of them.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const HOUR_MS: &str = "3600000";
const NEVER: &str = "9223372036854775807";

#[test]
fn from_2_8_to_3_9() {
    core(V2_8_2, V3_9_1);
}

#[test]
fn from_2_8_to_4_3() {
    core(V2_8_2, V4_3_1);
}

#[test]
fn from_3_9_to_3_9() {
    core(V3_9_1, V3_9_1);
}

#[test]
fn from_3_9_to_4_3() {
    core(V3_9_1, V4_3_1);
}

#[test]
fn from_4_3_to_3_9() {
    core(V4_3_1, V3_9_1);
}

#[test]
fn from_4_3_to_4_3() {
    core(V4_3_1, V4_3_1);
}

/// Given logs of every shape on the source, when they are mirrored, the daemon is killed, configs and group
/// offsets change, one mirror is promoted and the others are failed over after the end of the source, then at
/// every step each mirror holds what the source holds, offset by offset.
fn core(source: Version, destination: Version) {
    let begin = Instant::now();
    let name = format!("{}-to-{}", source.number(), destination.number());
    let step = |what: &str| println!("{name}: {:5.1} s {what}", begin.elapsed().as_secs_f32());
    let mut pair = Pair::between(&name, source, destination, &[]);
    step("both clusters and the daemon are up");
    given_logs_of_every_shape(&pair);
    step("the source's logs are written");

    link(&pair);
    for topic in TOPICS {
        pair.mirror(topic);
    }
    for topic in TOPICS {
        pair.assert_mirrored(topic);
        assert_eq!(pair.linkgate.status(LINK, topic), "ACTIVE");
    }
    step("every mirror equals its source");
    kill_the_daemon_under_load(&mut pair);
    step("and does after two kills of the daemon under load");
    an_old_client_reads_through_the_gateway(&pair);
    offsets_and_configs_follow(&pair);
    step("group offsets and configs have followed");
    promote(&pair);
    step("a promoted topic is complete and writable");
    both_cleaners_run(&pair);
    fail_over_without_the_source(&mut pair);
    step("failed over topics are complete and writable");
}

fn given_logs_of_every_shape(pair: &Pair) {
    let source = pair.source.bootstrap();
    let small = |codec| Kind { batch: 10, ..Kind::plain(codec) };
    let mut admin = pair.source.admin();
    // First, since its cleaner takes time. Keys repeat, so that the cleaner leaves gaps inside batches and
    // between them.
    admin.create_topic(
        "compacted",
        1,
        &[
            ("cleanup.policy", "compact"),
            ("segment.ms", "1000"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("max.compaction.lag.ms", "1000"),
            ("min.compaction.lag.ms", "0"),
        ],
    );
    send(&source, "compacted", small("none"), 60);
    send(&source, "compacted", small("snappy"), 45);

    admin.create_topic("codecs", 2, &[]);
    for codec in CODECS {
        send(&source, "codecs", Kind::plain(codec), 60);
        send(&source, "codecs", Kind { batch: 7, ..Kind::idempotent(codec) }, 60);
    }
    admin.create_topic("transactions", 1, &[]);
    send(&source, "transactions", Kind::transactional("lz4", 10), 65);
    send(&source, "transactions", Kind::transactional("none", 1), 9);
    admin.create_topic("trimmed", 1, &[]);
    send(&source, "trimmed", small("zstd"), 100);
    // The new log start lies inside a batch.
    admin.delete_records("trimmed", 0, 37);
    admin.create_topic("appendtime", 1, &[("message.timestamp.type", "LogAppendTime")]);
    for codec in CODECS {
        send(&source, "appendtime", small(codec), 25);
    }
    until("the source's cleaner has left gaps", LONG, || {
        send(&source, "compacted", small("lz4"), 30);
        std::thread::sleep(Duration::from_secs(1));
        let copy = read::partition(&source, "compacted", 0);
        (i64::try_from(copy.records.len()).unwrap() < copy.high_watermark).then_some(())
    });
    // From now on neither cleaner touches the topic, so that both sides can be compared offset by offset.
    admin.alter_config("compacted", "max.compaction.lag.ms", NEVER);
    admin.alter_config("compacted", "min.compaction.lag.ms", HOUR_MS);
}

fn link(pair: &Pair) {
    let filters = pair.linkgate.dir().join("filters.json");
    let text = r#"{"groupFilters":[{"name":"core-","patternType":"PREFIXED","filterType":"INCLUDE"}]}"#;
    std::fs::write(&filters, text).unwrap();
    let config = format!(
        "bootstrap.servers={},consumer.offset.sync.enable=true,consumer.offset.sync.ms=1000,topic.config.sync.ms=1000",
        pair.source.bootstrap()
    );
    let filters = filters.display().to_string();
    let args =
        ["--create", "--link", LINK, "--config", &config, "--consumer-group-filters-json-file", &filters];
    let _ = pair.linkgate.cluster_links(&args).success("create the link");
}

fn kill_the_daemon_under_load(pair: &mut Pair) {
    let source = pair.source.bootstrap();
    let writers = [
        Writer::start(&source, "codecs", Kind { batch: 20, ..Kind::idempotent("snappy") }, 600),
        Writer::start(&source, "transactions", Kind::transactional("zstd", 25), 300),
        Writer::start(&source, "trimmed", Kind::plain("gzip"), 300),
    ];
    for pause_ms in [700, 400] {
        std::thread::sleep(Duration::from_millis(pause_ms));
        pair.linkgate.kill();
        std::thread::sleep(Duration::from_millis(200));
        pair.linkgate.launch();
    }
    pair.linkgate.wait_ready();
    let sent: u64 = writers.into_iter().map(Writer::stop).sum();
    assert!(sent > 300, "{sent} records are too few to prove anything");
    for topic in TOPICS {
        pair.assert_mirrored(topic);
    }
}

/// Uses the console consumer of the source's version: clients that read the source must be able to read the
/// mirror.
fn an_old_client_reads_through_the_gateway(pair: &Pair) {
    let committed = read::partition(&pair.source.bootstrap(), "transactions", 0).records.len();
    let args = ["--from-beginning", "--max-messages", &committed.to_string(), "--timeout-ms", "60000"];
    let read = pair.source.tools().console_consumer(&pair.linkgate.bootstrap(), "transactions", &args);
    let read = read.success("console consumer").stdout;
    assert_eq!(read.lines().filter(|line| line.starts_with('{')).count(), committed);
}

fn offsets_and_configs_follow(pair: &Pair) {
    let mut source = pair.source.admin();
    source.commit("core-orders", &[("codecs", 0, 7), ("codecs", 1, 11), ("transactions", 0, 40)]);
    source.commit("other", &[("codecs", 0, 7)]);
    source.alter_config("codecs", "retention.ms", "86400000");
    let want: BTreeMap<_, _> = [(("codecs", 0), 7), (("codecs", 1), 11), (("transactions", 0), 40)]
        .map(|((topic, partition), offset)| ((topic.to_owned(), partition), offset))
        .into();
    let mut destination = pair.destination.admin();
    until("the group's offsets are on the destination", LONG, || {
        (destination.group_offsets("core-orders") == want).then_some(())
    });
    assert!(destination.group_offsets("other").is_empty());
    until("retention.ms is on the destination", LONG, || {
        (destination.config("codecs", "retention.ms").as_deref() == Some("86400000")).then_some(())
    });
}

fn promote(pair: &Pair) {
    let source = pair.source.bootstrap();
    send(&source, "transactions", Kind::transactional("gzip", 5), 30);
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", "transactions"]).success("promote");
    pair.linkgate.wait_status(LINK, "transactions", "STOPPED");
    read::assert_promoted(&source, &pair.linkgate.bootstrap(), "transactions");
    send(&pair.linkgate.bootstrap(), "transactions", Kind::transactional("lz4", 10), 20);
}

/// Lets the cleaners of both sides run. They may remove different records, but the latest value of each key
/// stays equal.
fn both_cleaners_run(pair: &Pair) {
    let source = pair.source.bootstrap();
    let mut admin = pair.source.admin();
    admin.alter_config("compacted", "min.compaction.lag.ms", "0");
    admin.alter_config("compacted", "max.compaction.lag.ms", "1000");
    let before = read::partition(&pair.linkgate.bootstrap(), "compacted", 0).records.len();
    until("the destination's cleaner has removed records", LONG, || {
        send(&source, "compacted", Kind { batch: 10, ..Kind::idempotent("zstd") }, 3);
        std::thread::sleep(Duration::from_secs(1));
        (read::partition(&pair.linkgate.bootstrap(), "compacted", 0).records.len() < before).then_some(())
    });
    pair.wait_caught_up("compacted");
    let there = latest_by_key(read::partition(&source, "compacted", 0));
    let here = latest_by_key(read::partition(&pair.linkgate.bootstrap(), "compacted", 0));
    assert_eq!(there, here, "the latest value of each key");
    assert!(there.len() >= 60, "{} keys", there.len());
}

fn latest_by_key(copy: PartitionCopy) -> BTreeMap<Option<Vec<u8>>, Record> {
    copy.records.into_iter().map(|record| (record.key.clone(), record)).collect()
}

fn fail_over_without_the_source(pair: &mut Pair) {
    let (codecs, trimmed) = ("codecs", "trimmed");
    let source = pair.source.bootstrap();
    let before: Vec<_> =
        [codecs, trimmed].iter().map(|topic| (*topic, read::topic(&source, topic))).collect();
    let compacted = latest_by_key(read::partition(&source, "compacted", 0));
    pair.source.kill();
    let topics = "codecs,trimmed,appendtime,compacted";
    let _ = pair.linkgate.mirrors(&["--failover", "--topics", topics]).success("failover");
    for topic in topics.split(',') {
        pair.linkgate.wait_status(LINK, topic, "STOPPED");
        pair.wait_writable(topic);
    }
    for (topic, source) in before {
        let mirror = read::topic(&pair.linkgate.bootstrap(), topic);
        for (partition, copy) in source {
            let mirror = &mirror[&partition];
            assert_eq!(mirror.log_start, copy.log_start, "{topic}-{partition}");
            assert!(mirror.records.starts_with(&copy.records), "{topic}-{partition} begins as its source");
        }
    }
    let mut here = latest_by_key(read::partition(&pair.linkgate.bootstrap(), "compacted", 0));
    let _ = here.remove(&Some(b"first".to_vec()));
    assert_eq!(here, compacted);
}
