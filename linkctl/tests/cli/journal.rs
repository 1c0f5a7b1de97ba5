//! `linkctl journal`

use serde_json::{Value, json};

use crate::run::{fails, linkctl, prints};
use crate::server::Server;

fn record(sequence: u64, changes: Value) -> Value {
    json!({
        "kind": "KafkaJournalRecord", "sequence": sequence, "at_ms": 1_742_984_512_000_i64, "who": "operator",
        "why": "configs of link 'dr'", "changes": changes, "omitted": 0,
    })
}

fn page(next: Option<&str>, data: &[Value]) -> String {
    json!({"kind": "L", "metadata": {"self": "", "next": next}, "data": data}).to_string()
}

#[test]
fn records_are_shown_oldest_first_with_their_changed_fields() {
    let altered = json!([{"subject": "LINK", "name": "dr", "effect": "ALTERED", "fields": [
        {"field": "configs.bootstrap.servers", "before": "a:1", "after": "b:1"},
        {"field": "configs.cluster.link.prefix", "before": "x.", "after": null},
        {"field": "configs.sasl.jaas.config", "before": "[hidden]", "after": "[hidden]"}]}]);
    let created = json!([{"subject": "MIRROR", "name": "users", "effect": "CREATED",
        "fields": [{"field": "state", "before": null, "after": "PENDING_MIRROR"}]}]);
    let first = page(Some("http://elsewhere/"), &[record(9, altered)]);
    let second = page(None, &[record(8, created)]);
    let server = Server::start(&[
        ("GET /journal?page_size=50", 200, &first),
        ("GET /journal?page_size=49&page_token=9", 200, &second),
    ]);
    prints(
        linkctl(&server, &["journal"]),
        "RECORD  TIME                 WHO       WHY                   WHAT                  FIELDS\n\
         \u{20}    8  2025-03-26 10:21:52  operator  configs of link 'dr'  mirror users created  state: PENDING_MIRROR\n\
         \u{20}    9  2025-03-26 10:21:52  operator  configs of link 'dr'  link dr altered       configs.bootstrap.servers: a:1 -> b:1, configs.cluster.link.prefix: x. -> none, configs.sasl.jaas.config: [hidden] -> [hidden]",
    );
    let shown: Value = serde_json::from_str(&linkctl(&server, &["journal", "-o", "json"]).out).unwrap();
    assert_eq!((&shown[0]["sequence"], &shown[1]["sequence"]), (&json!(8), &json!(9)));
}

#[test]
fn limit_and_since_are_sent_to_the_server() {
    let one = page(Some("http://elsewhere/"), &[record(9, json!([]))]);
    let server = Server::start(&[("GET /journal?page_size=1&since_ms=1742984512000", 200, &one)]);
    let ran =
        linkctl(&server, &["journal", "--limit", "1", "--since", "2025-03-26T10:21:52Z", "-o", "plain"]);
    assert_eq!(ran.out, "9\t2025-03-26 10:21:52\toperator\tconfigs of link 'dr'\t-\t\n");
    let wrong = linkctl(&server, &["journal", "--since", "yesterday"]);
    assert!(wrong.code == 2 && wrong.err.contains("2026-11-30T03:00:00Z"), "{wrong:?}");
}

#[test]
fn a_backup_prints_its_path() {
    let made = json!({"kind": "KafkaJournalBackup", "path": "/s/backups/b1", "sequence": 12}).to_string();
    let server = Server::start(&[("POST /journal:backup", 200, &made)]);
    prints(
        linkctl(&server, &["journal", "backup", "b1"]),
        "The journal up to record 12 is in /s/backups/b1 on Linkgate's machine, with its secret.key.",
    );
    prints(linkctl(&server, &["journal", "backup", "-o", "plain"]), "/s/backups/b1\t12");
    let there = json!({"error_code": 409, "message": "a backup /s/backups/b1 already exists"}).to_string();
    let server = Server::start(&[("POST /journal:backup", 409, &there)]);
    fails(linkctl(&server, &["journal", "backup", "b1"]), 1, "error: a backup /s/backups/b1 already exists");
}
