//! The start of a mirror topic: how it is requested, forecast, and shown while the log is filled.

use serde_json::{Value, json};

use crate::run::{Ran, fails, linkctl, list, mirror, mirrors, prints};
use crate::server::Server;

const ALL: &str = "GET /links/-/mirrors";
const FORECAST: &str = "POST /links/dr/mirrors?validate_only=true";

fn forecast(topic: &str, to_fill: u64) -> Value {
    json!({
        "kind": "KafkaMirrorForecast", "metadata": {"self": ""}, "link_name": "dr", "mirror_topic_name": topic,
        "source_topic_name": topic, "start_offset_spec": "2026-01-01T00:00:00Z", "offsets_to_fill": to_fill,
        "offsets_to_copy": 12, "estimated_fill_ms": 62_000, "estimated_fill_bytes": 832_620_000,
        "partitions": [{"partition": 0, "source_log_start_offset": 5, "start_offset": to_fill,
            "source_high_watermark": to_fill + 12, "offsets_to_fill": to_fill, "offsets_to_copy": 12}],
    })
}

const TABLE: &str = "\
TOPIC  PARTITION  SOURCE START       START   SOURCE HW     TO FILL  TO COPY
users          0             5  1000000000  1000000012  1000000000       12";
const SENTENCE: &str = "\
Topic users can be created; it begins at 2026-01-01T00:00:00Z. 1000000000 offsets are filled first, which takes about \
62 s and writes 832.6 MB on each replica until they are trimmed; then 12 offsets are to be copied. Nothing was created.";

#[test]
fn kafka_mirrors_shows_the_forecast_of_a_creation() {
    let server = Server::start(&[(FORECAST, 200, &forecast("users", 1_000_000_000).to_string())]);
    let spec = "mirror.start.offset.spec=2026-01-01T00:00:00Z";
    let create = ["--create", "--mirror-topic", "users", "--link", "dr", "--config", spec];
    for word in ["--validate-only", "--dry-run"] {
        let words: Vec<&str> = create.into_iter().chain([word]).collect();
        prints(mirrors(&server, &words), &format!("{TABLE}\n{SENTENCE}"));
    }
    assert_eq!(
        server.requests()[0],
        format!(
            "{FORECAST} {}",
            r#"{"source_topic_name":"users","mirror_topic_name":"users","configs":[{"name":"mirror.start.offset.spec","value":"2026-01-01T00:00:00Z"}]}"#
        )
    );
    let stray = mirrors(&server, &["--list", "--dry-run"]);
    assert!(
        stray.err.starts_with("Option \"[dry-run]\" can't be used with option \"[list]\""),
        "{}",
        stray.err
    );
}

#[test]
fn linkctl_shows_the_forecast_in_every_format() {
    let users = forecast("users", 1_000_000_000);
    let server = Server::start(&[(FORECAST, 200, &users.to_string())]);
    let words = ["mirror", "create", "users", "--link", "dr", "--start-offset", "latest", "--dry-run"];
    prints(linkctl(&server, &words), &format!("{TABLE}\n\n{SENTENCE}"));
    assert!(server.requests()[0].ends_with(r#"[{"name":"mirror.start.offset.spec","value":"latest"}]}"#));
    let with = |format: &'static str| linkctl(&server, &[&words[..], &["-o", format]].concat());
    let shown: Value = serde_json::from_str(&with("json").out).unwrap();
    assert_eq!(shown[0]["offsets_to_fill"], 1_000_000_000);
    prints(with("plain"), "users\t0\t5\t1000000000\t1000000012\t1000000000\t12");
}

#[test]
fn a_dry_run_reports_topics_that_cannot_be_created() {
    let exists = r#"{"error_code":40002,"message":"Topic 'orders' already exists."}"#;
    let users = forecast("users", 0).to_string();
    let server = Server::start(&[(FORECAST, 200, &users), (FORECAST, 400, exists)]);
    let ran = linkctl(
        &server,
        &["mirror", "create", "users", "orders", "--link", "dr", "--dry-run", "-o", "plain"],
    );
    let err = "orders: Topic 'orders' already exists.\nerror: 1 of 2 mirror topics not valid\n".to_owned();
    assert_eq!(ran, Ran { code: 1, out: "users\t0\t5\t0\t12\t0\t12\n".to_owned(), err });
}

#[test]
fn an_invalid_start_offset_is_refused_before_anything_is_sent() {
    let server = Server::start(&[]);
    let ran = linkctl(&server, &["mirror", "create", "users", "--link", "dr", "--start-offset", "2026"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("write a year as 2026-01-01T00:00:00Z"), "{}", ran.err);
    let both = ["mirror", "create", "users", "--link", "dr", "--dry-run", "--wait"];
    assert_eq!(linkctl(&server, &both).code, 2);
    assert!(server.requests().is_empty());
}

fn at_work() -> Value {
    let mut users = mirror("dr", "users", "ACTIVE", 2);
    let partition = &mut users["linkgate"]["partitions"][0];
    partition["start_offset"] = json!(80);
    partition["filling"] = json!({"from": 0, "to": 80, "done": 40, "percent": 50, "eta_ms": 12_000});
    partition["last_jump"] = json!({"from": 20, "to": 30, "at_ms": 1_742_984_512_000_i64, "count": 3});
    users
}

#[test]
fn filling_and_jumps_are_shown_below_the_partitions() {
    let server = Server::start(&[(ALL, 200, &list(&[at_work()]))]);
    prints(
        linkctl(&server, &["mirror", "describe", "users"]),
        "users is ACTIVE since 2025-03-26 10:21:52: mirror of 'users' on link 'dr', 1 partition\n\
         reason: filling: 50 %, about 12 s left\n\n\
         TOPIC  PARTITION  STATE   LOG END  SOURCE HW  LAG  LAST FETCH MS  REASON\n\
         users          0  ACTIVE        5          7    2            866  -\n\n\
         partition 0 is being filled up to offset 80: 50 %, about 12 s left\n\
         partition 0 jumped from offset 20 to 30 on 2025-03-26 10:21:52, jump 3 of this partition; the source had \
         lost these offsets",
    );
    prints(
        linkctl(&server, &["mirror", "list", "-o", "plain"]),
        "users\tdr\tACTIVE\t1\t2\tusers\tfilling: 50 %, about 12 s left",
    );
}

/// Tools parse this layout, so Linkgate's additional fields must not appear in it.
#[test]
fn linkgates_own_fields_do_not_change_the_layout_of_kafka_mirrors() {
    let with = Server::start(&[(ALL, 200, &list(&[at_work()]))]);
    let without = Server::start(&[(ALL, 200, &list(&[mirror("dr", "users", "ACTIVE", 2)]))]);
    let described = mirrors(&with, &["--describe"]);
    assert_eq!((described.code, described.err.as_str()), (0, ""));
    assert_eq!(described, mirrors(&without, &["--describe"]));
    fails(
        mirrors(&with, &["--describe", "--link", "no"]),
        1,
        "Error while executing mirror command: no route for GET /kafka/v3/clusters/c1/links/no/mirrors",
    );
}
