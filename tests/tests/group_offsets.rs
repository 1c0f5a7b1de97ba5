//! Consumer group offsets: exact numbers, filters and clamping; groups that have members on the destination
//! are left alone.

use std::collections::BTreeMap;

use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

const FILTERS: &str = r#"{"groupFilters":[
  {"name":"app-","patternType":"PREFIXED","filterType":"INCLUDE"},
  {"name":"exact","patternType":"LITERAL","filterType":"INCLUDE"},
  {"name":"app-secret","patternType":"LITERAL","filterType":"EXCLUDE"}]}"#;

fn pair_with_filters(name: &str) -> Pair {
    let pair = Pair::small(name);
    let file = pair.linkgate.dir().join("filters.json");
    std::fs::write(&file, FILTERS).unwrap();
    let config = format!(
        "bootstrap.servers={},consumer.offset.sync.enable=true,consumer.offset.sync.ms=1000",
        pair.source.bootstrap()
    );
    let file = file.display().to_string();
    let _ = pair
        .linkgate
        .cluster_links(&[
            "--create",
            "--link",
            LINK,
            "--config",
            &config,
            "--consumer-group-filters-json-file",
            &file,
        ])
        .success("create the link");
    pair
}

fn at(topic: &str, partition: i32) -> (String, i32) {
    (topic.to_owned(), partition)
}

/// Given groups that the filters select and groups that they do not select, when offsets are committed on the
/// source, then exactly the selected groups appear on the destination, with exact offsets, and follow later
/// commits.
#[test]
fn only_selected_groups_are_synced_with_exact_offsets() {
    let pair = pair_with_filters("groups");
    pair.mirror_topic("t", 2, &[]);
    pair.source.admin().create_topic("unmirrored", 1, &[]);
    send(&pair.source.bootstrap(), "t", Kind::idempotent("lz4"), 200);
    pair.assert_mirrored("t");

    let mut source = pair.source.admin();
    source.commit("app-orders", &[("t", 0, 7), ("t", 1, 11), ("unmirrored", 0, 0)]);
    source.commit("app-secret", &[("t", 0, 7)]);
    source.commit("exact", &[("t", 0, 1)]);
    source.commit("exactly-not", &[("t", 0, 1)]);

    let both: BTreeMap<_, _> = [(at("t", 0), 7), (at("t", 1), 11)].into();
    wait_group(&pair, "app-orders", &both);
    wait_group(&pair, "exact", &[(at("t", 0), 1)].into());
    // An offset that goes back is synced like any other commit.
    source.commit("app-orders", &[("t", 0, 3)]);
    wait_group(&pair, "app-orders", &[(at("t", 0), 3), (at("t", 1), 11)].into());
    assert!(pair.destination.admin().group_offsets("app-secret").is_empty());
    assert!(pair.destination.admin().group_offsets("exactly-not").is_empty());
}

/// Given a paused mirror, when a group commits an offset beyond the end of the mirror, then the synced offset
/// stays within the mirror, and becomes exact once the mirror has the records.
#[test]
fn synced_offsets_never_exceed_the_end_of_the_mirror() {
    let pair = pair_with_filters("clamp");
    pair.mirror_topic("t", 1, &[]);
    send(&pair.source.bootstrap(), "t", Kind::plain("none"), 100);
    pair.assert_mirrored("t");
    let _ = pair.linkgate.mirrors(&["--pause", "--topics", "t"]).success("pause");
    pair.linkgate.wait_status(LINK, "t", "PAUSED");
    send(&pair.source.bootstrap(), "t", Kind::plain("none"), 50);
    pair.source.admin().commit("app-fast", &[("t", 0, 140)]);

    // A paused mirror stands still; every offset that is synced lies within it.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let synced = pair.destination.admin().group_offsets("app-fast");
    assert!(synced.values().all(|offset| *offset <= 100), "{synced:?}");

    let _ = pair.linkgate.mirrors(&["--resume", "--topics", "t"]).success("resume");
    wait_group(&pair, "app-fast", &[(at("t", 0), 140)].into());
}

/// Given a selected group with a member on the destination, when the source commits, then the offsets on the
/// destination stay as they are, and the task of the link names the group.
#[test]
fn a_group_in_use_on_the_destination_is_left_alone() {
    let pair = pair_with_filters("in-use");
    pair.mirror_topic("t", 1, &[]);
    send(&pair.source.bootstrap(), "t", Kind::plain("none"), 100);
    pair.assert_mirrored("t");
    let gateway = pair.linkgate.bootstrap();
    let args = ["--bootstrap", gateway.as_str(), "--group", "app-live", "--topic", "t"];
    let mut member = linkgate_tests::client::python::Running::start("member.py", &args);
    assert_eq!(member.next(LONG)["assigned"], 1);

    pair.source.admin().commit("app-live", &[("t", 0, 60)]);
    pair.source.admin().commit("app-idle", &[("t", 0, 61)]);
    wait_group(&pair, "app-idle", &[(at("t", 0), 61)].into());

    until("the task reports the group in use", LONG, || {
        let path =
            format!("/kafka/v3/clusters/{}/links/{LINK}?include_tasks=true", pair.linkgate.cluster_id());
        let (_, link) = pair.linkgate.get(&path);
        let tasks = link["tasks"].as_array().cloned().unwrap_or_default();
        let task = tasks.iter().find(|t| t["task_name"] == "ConsumerOffsetSync")?;
        let errors = task["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .any(|e| {
                e["error_code"] == "CONSUMER_GROUP_IN_USE_ERROR"
                    && e["error_message"].as_str().is_some_and(|m| m.contains("app-live"))
            })
            .then_some(())
    });
    assert!(pair.destination.admin().group_offsets("app-live").is_empty());
    let _ = member.finish(LONG);
    // Once its member has left, the group follows the source.
    wait_group(&pair, "app-live", &[(at("t", 0), 60)].into());
}

fn wait_group(pair: &Pair, group: &str, want: &BTreeMap<(String, i32), i64>) {
    let mut last = BTreeMap::new();
    let begin = std::time::Instant::now();
    while last != *want {
        assert!(begin.elapsed() < LONG, "{group} has {last:?} on the destination, not {want:?}");
        last = pair.destination.admin().group_offsets(group);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
