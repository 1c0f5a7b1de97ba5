//! Stops in difficult situations: a source that grew, a broker that forgets producer ids within a second, a
//! compacted log that begins late, a group that the destination refuses, a process killed in the middle, a
//! second Linkgate.
//!
//! One pair of clusters serves all cases, since starting a pair takes longer than most of them.

use std::time::Duration;

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::kafka::{Cluster, FORGETFUL, Version};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::{Kind, Sender, Writer, send};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

fn stage() -> Pair {
    let mut source = Cluster::launch(WorkDir::new("stops-source"), Version::V4_3_1, 1, &[]);
    let extra = [&FORGETFUL[..], &[("offset.metadata.max.bytes", "8")]].concat();
    let mut destination = Cluster::launch(WorkDir::new("stops-destination"), Version::V4_3_1, 1, &extra);
    source.wait_ready();
    destination.wait_ready();
    let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
    let pair = Pair { linkgate, source, destination };
    let filters = r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;
    let file = pair.linkgate.dir().join("filters.json").display().to_string();
    std::fs::write(&file, filters).unwrap();
    let config = format!(
        "bootstrap.servers={},consumer.offset.sync.enable=true,consumer.offset.sync.ms=1000,topic.config.sync.ms=1000",
        pair.source.bootstrap()
    );
    let flags =
        ["--create", "--link", LINK, "--config", &config, "--consumer-group-filters-json-file", &file];
    let _ = pair.linkgate.cluster_links(&flags).success("create the link");
    pair
}

/// Given each of these obstacles, when the mirror is promoted or failed over, then it ends as it should, no
/// record is missing, and nothing of the source is appended behind the end.
#[test]
fn mirrors_stop_in_spite_of_obstacles() {
    let mut pair = stage();
    grown_while_paused(&pair);
    compacted_from_now_on(&pair);
    a_group_that_is_refused(&pair);
    killed_behind_the_fence(&mut pair);
    deleted_behind_the_fence(&pair);
    failed_over_with_configs_of_its_own(&mut pair);
    beside_another_linkgate(&mut pair);
}

fn promote(pair: &Pair, topic: &str) {
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", topic]).success("promote");
}

/// The source gets partitions while the mirror is paused: the promote copies them.
fn grown_while_paused(pair: &Pair) {
    let source = pair.source.bootstrap();
    pair.mirror_topic("grown", 2, &[]);
    send(&source, "grown", Kind::plain("none"), 100);
    pair.assert_mirrored("grown");
    let _ = pair.linkgate.mirrors(&["--pause", "--topics", "grown"]).success("pause");
    pair.linkgate.wait_status(LINK, "grown", "PAUSED");
    let alter = ["--alter", "--topic", "grown", "--partitions", "4"];
    let _ = pair.source.tools().topics(&source, &alter).success("alter");
    send(&source, "grown", Kind::plain("none"), 400);
    promote(pair, "grown");
    pair.linkgate.wait_status(LINK, "grown", "STOPPED");
    read::assert_promoted(&source, &pair.linkgate.bootstrap(), "grown");
    assert_eq!(pair.linkgate.mirror(LINK, "grown")["num_partitions"], 4);
}

/// The log of a compacted topic that is mirrored from the latest offset on begins at the start offset,
/// although brokers refuse DeleteRecords on a topic that is only compacted. Afterwards the topic has the
/// configs of the source again.
fn compacted_from_now_on(pair: &Pair) {
    let source = pair.source.bootstrap();
    let configs = [("cleanup.policy", "compact"), ("retention.ms", "86400000")];
    pair.source.admin().create_topic("late", 1, &configs);
    send(&source, "late", Kind::plain("none"), 100);
    let begin = pair.source.admin().offsets("late", LATEST)[0];
    let flags =
        ["--create", "--mirror-topic", "late", "--link", LINK, "--config", "mirror.start.offset.spec=latest"];
    let _ = pair.linkgate.mirrors(&flags).success("create the mirror");
    send(&source, "late", Kind::plain("none"), 20);
    pair.wait_caught_up("late");
    promote(pair, "late");
    pair.linkgate.wait_status(LINK, "late", "STOPPED");
    let mut destination = pair.destination.admin();
    assert_eq!(destination.offsets("late", EARLIEST), [begin]);
    for (name, value) in configs {
        assert_eq!(destination.config("late", name).as_deref(), Some(value), "{name}");
    }
    let mine = read::partition(&pair.linkgate.bootstrap(), "late", 0).records;
    let theirs = read::partition(&source, "late", 0).records;
    let theirs: Vec<_> = theirs.into_iter().filter(|record| record.offset >= begin).collect();
    assert_eq!(mine, theirs);
}

/// The mirror names a group whose metadata is too long for the destination; the offsets of the others are
/// exact.
fn a_group_that_is_refused(pair: &Pair) {
    let source = pair.source.bootstrap();
    pair.mirror_topic("groups", 1, &[]);
    send(&source, "groups", Kind::plain("none"), 100);
    pair.assert_mirrored("groups");
    let mut there = pair.source.admin();
    there.commit_noting("wordy", &[("groups", 0, 40)], "9 letters");
    there.commit("terse", &[("groups", 0, 60)]);
    promote(pair, "groups");
    pair.linkgate.wait_status(LINK, "groups", "STOPPED");
    let terse = pair.destination.admin().group_offsets("terse");
    assert_eq!(terse.get(&("groups".to_owned(), 0)), Some(&60));
    let undone = pair.linkgate.mirror(LINK, "groups")["linkgate"]["left_undone"].to_string();
    assert!(undone.contains("'wordy'") && undone.contains("OFFSET_METADATA_TOO_LARGE"), "{undone}");
    let described = pair.linkgate.mirrors(&["--describe", "--topics", "groups"]).success("describe").stdout;
    assert!(described.contains("the stop went on without") && described.contains("'wordy'"), "{described}");
}

/// A process that dies between the fences and the end of the promote starts again when the broker has
/// forgotten the producer id: it completes the promote and appends nothing.
fn killed_behind_the_fence(pair: &mut Pair) {
    let source = pair.source.bootstrap();
    pair.mirror_topic("killed", 1, &[]);
    send(&source, "killed", Kind::plain("none"), 100);
    pair.assert_mirrored("killed");
    let before = read::topic(&source, "killed");
    // The final sync waits for an open transaction.
    let producer = offsets_in_a_transaction(&source, "held", "killed", 70);
    promote(pair, "killed");
    until("the promote waits for the group", LONG, || {
        let mirror = pair.linkgate.mirror(LINK, "killed");
        mirror["linkgate"]["reason"].as_str().is_some_and(|reason| reason.contains("'held'")).then_some(())
    });
    assert_eq!(pair.destination.admin().offsets("killed", LATEST), [101]);
    pair.linkgate.kill();
    send(&source, "killed", Kind::plain("none"), 5);
    std::thread::sleep(Duration::from_secs(3));
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
    std::thread::sleep(Duration::from_secs(1));
    producer.commit_transaction(LONG).unwrap();
    pair.linkgate.wait_status(LINK, "killed", "STOPPED");
    let mut after = read::topic(&pair.linkgate.bootstrap(), "killed");
    after.values_mut().for_each(|copy| copy.high_watermark = 100);
    assert_eq!(read::differences(&before, &after), [] as [String; 0]);
    let held = pair.destination.admin().group_offsets("held");
    assert_eq!(held.get(&("killed".to_owned(), 0)), Some(&70));
}

/// The source topic is deleted right after the fence: the promote still ends, and reports what could not be
/// synced. Other promotes do not wait for it.
fn deleted_behind_the_fence(pair: &Pair) {
    let source = pair.source.bootstrap();
    for topic in ["deleted", "kept"] {
        pair.mirror_topic(topic, 1, &[]);
        send(&source, topic, Kind::plain("none"), 100);
        pair.assert_mirrored(topic);
    }
    let before = read::topic(&source, "deleted");
    // The final sync waits for an open transaction.
    let producer = offsets_in_a_transaction(&source, "late", "deleted", 70);
    promote(pair, "deleted");
    until("the promote waits for the group", LONG, || {
        let mirror = pair.linkgate.mirror(LINK, "deleted");
        mirror["linkgate"]["reason"].as_str().is_some_and(|reason| reason.contains("'late'")).then_some(())
    });
    pair.source.admin().delete_topic("deleted");
    pair.source.admin().commit("reader", &[("kept", 0, 60)]);
    promote(pair, "kept");
    pair.linkgate.wait_status(LINK, "kept", "STOPPED");
    assert_ne!(pair.linkgate.mirror(LINK, "deleted")["mirror_status"], "STOPPED", "kept did not wait for it");
    let reader = pair.destination.admin().group_offsets("reader");
    assert_eq!(reader.get(&("kept".to_owned(), 0)), Some(&60));
    pair.linkgate.wait_status(LINK, "deleted", "STOPPED");
    let undone = pair.linkgate.mirror(LINK, "deleted")["linkgate"]["left_undone"].to_string();
    assert!(undone.contains("the source has no topic 'deleted'"), "{undone}");
    let mut after = read::topic(&pair.linkgate.bootstrap(), "deleted");
    after.values_mut().for_each(|copy| copy.high_watermark = 100);
    assert_eq!(read::differences(&before, &after), [] as [String; 0]);
    drop(producer);
}

/// Returns a producer with an open transaction that will commit `offset` for `group`.
fn offsets_in_a_transaction(bootstrap: &str, group: &str, topic: &str, offset: i64) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "stops")
        .set("transaction.timeout.ms", "120000")
        .create()
        .unwrap();
    producer.init_transactions(LONG).unwrap();
    producer.begin_transaction().unwrap();
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    let metadata = consumer.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&offsets, &metadata, LONG).unwrap();
    producer
}

/// A failover gives the topic the configs of the source without the source.
fn failed_over_with_configs_of_its_own(pair: &mut Pair) {
    let source = pair.source.bootstrap();
    pair.mirror_topic("over", 1, &[("compression.type", "lz4"), ("max.message.bytes", "2000000")]);
    send(&source, "over", Kind::plain("none"), 50);
    pair.assert_mirrored("over");
    assert_eq!(pair.destination.admin().config("over", "compression.type").as_deref(), Some("producer"));
    // Waits for the config sync that reads the configs of the source.
    std::thread::sleep(Duration::from_secs(2));
    let before = read::topic(&source, "over");
    pair.source.node(1).pause();
    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "over"]).success("failover");
    pair.linkgate.wait_status(LINK, "over", "STOPPED");
    pair.source.node(1).resume();
    let mut destination = pair.destination.admin();
    for (name, value) in [("compression.type", "lz4"), ("max.message.bytes", "2000000")] {
        assert_eq!(destination.config("over", name).as_deref(), Some(value), "{name}");
    }
    let limit = "message.timestamp.after.max.ms";
    assert_eq!(destination.config("over", limit), pair.source.admin().config("over", limit));
    let mut after = read::topic(&pair.linkgate.bootstrap(), "over");
    after.values_mut().for_each(|copy| copy.high_watermark -= 1);
    assert_eq!(read::differences(&before, &after), [] as [String; 0]);
}

/// A second Linkgate runs on a copy of the journal and mirrors on: nothing of the source lands behind the
/// promote of the first.
fn beside_another_linkgate(pair: &mut Pair) {
    let source = pair.source.bootstrap();
    pair.mirror_topic("beside", 1, &[]);
    send(&source, "beside", Kind::plain("none"), 50);
    pair.assert_mirrored("beside");
    assert_eq!(pair.linkgate.stop(), Some(0), "{}", pair.linkgate.log());
    let mut second = pair.linkgate.copy("stops-second", &pair.destination.bootstrap(), &[]);
    for linkgate in [&mut pair.linkgate, &mut second] {
        linkgate.launch();
        linkgate.wait_ready();
    }
    let writer = Writer::start(&source, "beside", Kind::idempotent("none"), 200);
    std::thread::sleep(Duration::from_secs(1));
    promote(pair, "beside");
    pair.linkgate.wait_status(LINK, "beside", "STOPPED");
    let opened = pair.destination.admin().offsets("beside", LATEST)[0];
    let mut mine = Sender::new(&pair.linkgate.bootstrap(), Kind::plain("none"));
    for n in 0..20 {
        mine.send("beside", &format!("mine-{n}"), "after the promote");
        std::thread::sleep(Duration::from_millis(50));
    }
    mine.finish();
    assert_eq!(mine.deliveries.failed(), 0);
    second.wait_status(LINK, "beside", "FAILED");
    let _ = writer.stop();
    std::thread::sleep(Duration::from_secs(2));
    let log = read::partition(&pair.linkgate.bootstrap(), "beside", 0).records;
    assert!(log.len() > 70, "{} records", log.len());
    for record in &log {
        let is_mine = record.key.as_deref().unwrap_or_default().starts_with(b"mine-");
        assert_eq!(is_mine, record.offset >= opened, "offset {}, opened at {opened}", record.offset);
    }
    let theirs = read::partition(&source, "beside", 0).records;
    let copied = log.iter().take_while(|record| record.offset < opened).count();
    assert_eq!(log[..copied], theirs[..copied], "what was copied is a prefix of the source");
}
