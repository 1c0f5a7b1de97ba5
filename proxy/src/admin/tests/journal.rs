//! The journal over REST: pages, times, hidden secrets, and backups.

use serde_json::json;

use crate::admin::tests::fixture::server;

const JOURNAL: &str = "/v3/clusters/CID/journal";

#[tokio::test]
async fn records_tell_who_when_why_and_what_and_hide_secrets() {
    let server = server().await;
    let page = server.get(JOURNAL).await;
    assert_eq!((&page["kind"], &page["metadata"]["next"]), (&json!("KafkaJournalRecordList"), &json!(null)));
    let record = &page["data"][0];
    assert_eq!(
        (&record["sequence"], &record["who"], &record["why"]),
        (&json!(1), &json!("test"), &json!("set up"))
    );
    assert!(record["at_ms"].as_i64().unwrap() > 1_700_000_000_000);
    let link = &record["changes"][0];
    assert_eq!(
        (&link["subject"], &link["name"], &link["effect"]),
        (&json!("LINK"), &json!("dr"), &json!("CREATED"))
    );
    let secret = json!({"field": "configs.sasl.jaas.config", "before": null, "after": "[hidden]"});
    assert!(link["fields"].as_array().unwrap().contains(&secret), "{link:#}");
    let stopped = &record["changes"][3];
    assert_eq!((&stopped["subject"], &stopped["name"]), (&json!("MIRROR"), &json!("old")));
    assert!(!page.to_string().contains("the-hidden-word"));
}

#[tokio::test]
async fn pages_go_back_in_time_and_end_at_since_ms() {
    let server = server().await;
    for number in 2..=5 {
        server.double.write(&format!("change {number}")).await;
    }
    let sequences = |page: &serde_json::Value| -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
    };
    let first = server.get(&format!("{JOURNAL}?page_size=2&since_ms=1")).await;
    assert_eq!(sequences(&first), [5, 4]);
    let next = first["metadata"]["next"].as_str().unwrap();
    assert_eq!(next, "http://gate:8090/v3/clusters/CID/journal?page_size=2&page_token=4&since_ms=1");
    let second = server.get(next.strip_prefix("http://gate:8090").unwrap()).await;
    assert_eq!(sequences(&second), [3, 2]);
    let third = server.get(&format!("{JOURNAL}?page_size=2&page_token=2")).await;
    assert_eq!((sequences(&third), &third["metadata"]["next"]), (vec![1], &json!(null)));
    let future = server.get(&format!("{JOURNAL}?since_ms=99999999999999")).await;
    assert_eq!((sequences(&future), &future["metadata"]["next"]), (vec![], &json!(null)));
    for wrong in ["page_size=0", "page_size=1001", "page_token=x", "since_ms=-1", "since_ms=yesterday"] {
        assert_eq!(server.ask("GET", &format!("{JOURNAL}?{wrong}"), "").await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_backup_name_is_one_harmless_path_component() {
    let server = server().await;
    let path = format!("{JOURNAL}:backup");
    let made = server.ask("POST", &path, r#"{"name": "before-upgrade"}"#).await;
    assert_eq!(made.json(), json!({"kind": "KafkaJournalBackup", "path": "/backups/x", "sequence": 1}));
    assert_eq!(server.ask("POST", &path, "{}").await.status, 200);
    let told = server.double.told.lock().unwrap().clone();
    assert_eq!(told, [r#"backup Some(BackupName("before-upgrade"))"#, "backup None"]);
    for wrong in ["../x", "/etc/x", ".x", "a/b", "x.part"] {
        let answer = server.ask("POST", &path, &json!({"name": wrong}).to_string()).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    let refused = server.ask("POST", &path, r#"{"name": "broken"}"#).await;
    assert_eq!(refused.status, 409);
}
