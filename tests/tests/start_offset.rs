//! The start of a mirror topic, the forecast of its cost, and the filler that is left when the mirror has
//! ended.

use std::collections::BTreeMap;
use std::time::Duration;

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read::{self, PartitionCopy};
use linkgate_tests::stage::pair::{LINK, Pair};
use serde_json::Value;

const SPEC: &str = "mirror.start.offset.spec";

/// Writes a topic of two partitions whose logs begin above 0, with large batches before and after a point in
/// time.
fn written(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    pair.source.admin().create_topic(topic, 2, &[]);
    send(&source, topic, Kind::plain("none"), 300);
    std::thread::sleep(Duration::from_millis(50));
    send(&source, topic, Kind::idempotent("gzip"), 300);
    pair.source.admin().delete_records(topic, 0, 37);
    pair.source.admin().delete_records(topic, 1, 5);
}

/// Returns the timestamp of a record in the middle of the second half of partition 0, in milliseconds and as
/// an operator writes it.
fn moment(pair: &Pair, topic: &str) -> (i64, String) {
    let records = read::partition(&pair.source.bootstrap(), topic, 0).records;
    let ms = records[records.len() * 3 / 4].timestamp;
    (ms, ms.to_string())
}

/// Returns the source topic from the offsets `starts` on.
fn from(pair: &Pair, topic: &str, starts: &[i64]) -> BTreeMap<i32, PartitionCopy> {
    let mut all = read::topic(&pair.source.bootstrap(), topic);
    for (copy, start) in all.values_mut().zip(starts) {
        copy.log_start = *start;
        copy.records.retain(|record| record.offset >= *start);
    }
    all
}

fn start_offsets(mirror: &Value) -> Vec<i64> {
    let partitions = mirror["linkgate"]["partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["start_offset"].as_i64().unwrap()).collect()
}

/// Waits until the logs of the mirror begin and end where they should, then compares every record.
fn assert_mirrored_from(pair: &Pair, topic: &str, starts: &[i64]) {
    pair.wait_caught_up(topic);
    until(&format!("the logs of {topic} begin at {starts:?}"), LONG, || {
        (pair.destination.admin().offsets(topic, EARLIEST) == starts).then_some(())
    });
    let mirror = read::topic(&pair.linkgate.bootstrap(), topic);
    let found = read::differences(&from(pair, topic, starts), &mirror);
    assert!(found.is_empty(), "{topic} differs:\n{}", found.join("\n"));
}

/// Given source logs that begin above 0, when topics are mirrored from the earliest offset, from the latest
/// offset and from a time in between, then the logs of each mirror begin at that source offset and hold
/// everything from there on.
#[test]
fn a_mirror_begins_at_the_requested_offset() {
    let pair = Pair::small("start-offset");
    pair.link("");
    for topic in ["all", "new", "dated"] {
        written(&pair, topic);
    }
    let (ms, instant) = moment(&pair, "dated");
    for (topic, start, at) in
        [("all", "earliest", EARLIEST), ("new", "latest", LATEST), ("dated", instant.as_str(), ms)]
    {
        let starts = pair.source.admin().offsets(topic, at);
        assert!(starts.iter().all(|start| *start > 0), "{topic}: {starts:?}");
        let spec = format!("{SPEC}={start}");
        let create = ["--create", "--mirror-topic", topic, "--link", LINK, "--config", &spec];

        // A dry run reports the cost and creates nothing.
        let words: Vec<&str> = create.into_iter().chain(["--validate-only"]).collect();
        let forecast = pair.linkgate.mirrors(&words).success("validate").stdout;
        let to_fill: i64 = starts.iter().sum();
        assert!(forecast.contains(&format!("{to_fill} offsets are filled first")), "{forecast}");
        assert!(forecast.contains("Nothing was created."), "{forecast}");
        assert!(!pair.destination.admin().topics().contains(&topic.to_owned()));
        assert_eq!(pair.linkgate.mirror(LINK, topic), Value::Null);

        let _ = pair.linkgate.mirrors(&create).success("create");
        assert_eq!(start_offsets(&pair.linkgate.mirror(LINK, topic)), starts, "{topic}");
        assert_mirrored_from(&pair, topic, &starts);
        send(&pair.source.bootstrap(), topic, Kind::transactional("lz4", 10), 60);
        assert_mirrored_from(&pair, topic, &starts);
    }
}

/// Given a link whose mirrors begin at the latest offset, when one topic is mirrored with a start of its own
/// and another without, then each begins where it should. An invalid start is refused.
#[test]
fn the_start_of_a_mirror_overrides_that_of_its_link() {
    let pair = Pair::small("start-offset-link");
    let bad = pair.linkgate.cluster_links(&[
        "--create",
        "--link",
        "bad",
        "--config",
        &format!("bootstrap.servers={},{SPEC}=newest", pair.source.bootstrap()),
    ]);
    assert!(bad.code == 1 && bad.stderr.contains("expected earliest, latest, an instant"), "{bad:?}");
    pair.link(&format!("{SPEC}=latest"));
    written(&pair, "new");
    written(&pair, "all");
    pair.mirror("new");
    let latest = start_offsets(&pair.linkgate.mirror(LINK, "new"));
    assert_eq!(latest, pair.source.admin().offsets("new", LATEST));

    let own = format!("{SPEC}=earliest");
    let made =
        pair.linkgate.mirrors(&["--create", "--mirror-topic", "all", "--link", LINK, "--config", &own]);
    let _ = made.success("create");
    let earliest = start_offsets(&pair.linkgate.mirror(LINK, "all"));
    assert_eq!(earliest, [37, 5]);
    assert_mirrored_from(&pair, "new", &latest);
    assert_mirrored_from(&pair, "all", &earliest);
}

fn count_filler(pair: &Pair, topic: &str) -> Value {
    let counted = pair.linkgate.linkctl(&["mirror", "filler", topic, "--wait", "--output", "json"]);
    let counted: Value = serde_json::from_str(&counted.success("filler").stdout).unwrap();
    counted[0].clone()
}

/// Given a promoted topic with transactions, when its filler is counted, then the count is the number of
/// offsets without a record on the source. Once all records of the mirror are deleted, the gateway is no
/// longer needed.
#[test]
fn the_filler_count_tells_whether_the_gateway_is_needed() {
    let pair = Pair::small("filler-census");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 2, &[]);
    send(&source, "t", Kind::transactional("zstd", 7), 400);
    send(&source, "t", Kind::plain("none"), 50);
    pair.wait_caught_up("t");
    let series = "linkgate_mirror_filler_offsets{";
    let metrics =
        || linkgate_tests::stage::linkgate::http_get(&format!("{}/metrics", pair.linkgate.rest_url()));
    assert!(!metrics().unwrap().1.contains(series));
    let live = count_filler(&pair, "t");
    assert_eq!((&live["state"], &live["gateway_needed"]), (&"DONE".into(), &true.into()), "{live:#}");

    let _ = pair.linkgate.mirrors(&["--promote", "--topics", "t"]).success("promote");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    let ends = pair.destination.admin().offsets("t", LATEST);
    let copies = read::topic(&source, "t");
    let records: Vec<i64> = copies.values().map(|copy| copy.records.len() as i64).collect();
    let empty: i64 = ends.iter().zip(&records).map(|(end, records)| end - records).sum();
    assert!(empty > 100, "transactions leave offsets without records: {ends:?} {records:?}");
    // Later batches of clients are no filler, whatever they look like.
    send(&pair.linkgate.bootstrap(), "t", Kind::transactional("none", 10), 50);

    let counted = count_filler(&pair, "t");
    assert_eq!((&counted["state"], &counted["percent"]), (&"DONE".into(), &100.into()), "{counted:#}");
    assert_eq!(counted["filler_offsets"], empty, "{counted:#}");
    assert_eq!(counted["gateway_needed"], true);
    assert_eq!(pair.linkgate.metric(series), empty as f64);
    for (partition, (end, found)) in ends.iter().zip(counted["partitions"].as_array().unwrap()).enumerate() {
        assert_eq!(found["scanned_to_offset"], *end, "partition {partition}");
        assert!(found["last_filler_offset"].as_i64().unwrap() < *end, "partition {partition}");
    }

    // DeleteRecords stands for the retention.
    for (partition, end) in (0..).zip(&ends) {
        pair.destination.admin().delete_records("t", partition, *end);
    }
    let gone = count_filler(&pair, "t");
    assert_eq!((&gone["filler_offsets"], &gone["gateway_needed"]), (&0.into(), &false.into()), "{gone:#}");
    assert_eq!(gone["explanation"], "no filler left: consumers may read from the brokers directly");
    assert_eq!(pair.linkgate.metric(series), 0.0);
}
