//! `linkctl mirror filler`

use serde_json::{Value, json};

use crate::run::{Ran, linkctl, prints};
use crate::server::Server;

const GET: &str = "GET /links/-/mirrors/users/filler";
const SCAN: &str = "POST /links/-/mirrors/users/filler:scan";
const NEEDED: &str =
    "filler up to offset 41 of partition 0; it goes when retention or compaction has passed it";
const NONE_LEFT: &str = "no filler left: consumers may read from the brokers directly";

fn filler(state: &str, read_to: i64, filler_offsets: i64, needed: Option<bool>, explanation: &str) -> Value {
    json!({
        "kind": "KafkaMirrorFiller", "metadata": {"self": ""}, "link_name": "dr", "mirror_topic_name": "users",
        "state": state, "error": if state == "FAILED" { "no leader" } else { "" }, "started_ms": 1,
        "finished_ms": null, "percent": read_to, "filler_offsets": filler_offsets, "gateway_needed": needed,
        "explanation": explanation,
        "partitions": [{"partition": 0, "log_start_offset": 0, "scan_end_offset": 100,
            "scanned_to_offset": read_to, "filler_offsets": filler_offsets, "filler_batches": 1,
            "last_filler_offset": if filler_offsets > 0 { json!(41) } else { Value::Null }}],
    })
}

#[test]
fn a_count_is_started_and_awaited() {
    let begun = filler("RUNNING", 0, 0, None, "no filler found so far; the scan is in progress").to_string();
    let half = filler("RUNNING", 55, 2, Some(true), NEEDED).to_string();
    let done = filler("DONE", 100, 2, Some(true), NEEDED).to_string();
    let server = Server::start(&[(SCAN, 200, &begun), (GET, 200, &half), (GET, 200, &done)]);
    let ran = linkctl(&server, &["mirror", "filler", "users", "--wait"]);
    let out = format!(
        "TOPIC  PARTITION  LOG START  READ TO  READ UNTIL  FILLER  BATCHES  LAST FILLER\n\
         users          0          0      100         100       2        1           41\n\n\
         users: gateway needed: {NEEDED}\n"
    );
    assert_eq!(ran, Ran { code: 0, out, err: "users: RUNNING, 50 %\nusers: DONE\n".to_owned() });
    assert_eq!(server.requests()[0].split(' ').take(2).collect::<Vec<_>>().join(" "), SCAN);
}

#[test]
fn without_waiting_a_count_tells_how_to_see_its_progress() {
    let begun = filler("RUNNING", 7, 0, None, "no filler found so far; the scan is in progress").to_string();
    let server = Server::start(&[(SCAN, 200, &begun)]);
    let ran = linkctl(&server, &["mirror", "filler", "users"]);
    assert!(
        ran.out.ends_with("\nusers: not known whether the gateway is needed (7 % read): no filler found so far; the scan is in progress\n"),
        "{}",
        ran.out
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, "the count continues; --last shows its progress\n"));
}

#[test]
fn the_latest_count_is_shown_without_starting_a_new_one() {
    let done = filler("DONE", 100, 0, Some(false), NONE_LEFT).to_string();
    let server = Server::start(&[(GET, 200, &done)]);
    let last =
        |format: &'static str| linkctl(&server, &["mirror", "filler", "users", "--last", "-o", format]);
    prints(last("plain"), "users\t0\t0\t100\t100\t0\t1\t-");
    let shown: Value = serde_json::from_str(&last("json").out).unwrap();
    assert_eq!((&shown[0]["gateway_needed"], &shown[0]["explanation"]), (&json!(false), &json!(NONE_LEFT)));
    assert!(last("table").out.ends_with(&format!("\n\nusers: gateway not needed: {NONE_LEFT}\n")));
    assert!(server.requests().iter().all(|request| request == GET), "{:?}", server.requests());
}

#[test]
fn a_failed_count_and_an_unknown_topic_exit_with_1() {
    let failed = filler("FAILED", 40, 0, None, "the scan failed: no leader").to_string();
    let body = r#"{"error_code":404,"message":"Topic 'nope' is not a mirror topic."}"#;
    let server = Server::start(&[
        (SCAN, 200, &failed),
        (GET, 200, &failed),
        ("POST /links/-/mirrors/nope/filler:scan", 404, body),
    ]);
    let ran = linkctl(&server, &["mirror", "filler", "users", "nope", "-o", "plain"]);
    let err = "nope: Topic 'nope' is not a mirror topic.\nerror: 2 of 2 topics not counted\n".to_owned();
    assert_eq!(ran, Ran { code: 1, out: "users\t0\t0\t40\t100\t0\t1\t-\n".to_owned(), err });
    let ran = linkctl(&server, &["mirror", "filler", "users", "--wait", "-o", "plain"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "users: FAILED (no leader)\nerror: failed: users\n");
}
