//! Every change leaves a log line, and a name in the journal.

use std::io;
use std::sync::{Mutex, OnceLock};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::admin::tests::fixture::{LINKS, server};

/// Everything that this process has logged since `keep_log`.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Logs;

impl MakeWriter<'_> for Logs {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        Log
    }
}

fn keep_log() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        let kept =
            tracing_subscriber::fmt().with_writer(Logs).with_ansi(false).with_max_level(tracing::Level::INFO);
        kept.try_init().unwrap();
    });
}

/// Returns the lines about requests of this operator.
fn lines(operator: &str) -> Vec<String> {
    let log = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    log.lines()
        .filter(|line| line.contains("admin request") && line.contains(operator))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn each_change_writes_one_log_line_without_values() {
    keep_log();
    let server = server().await;
    let config = json!({"name": "sasl.jaas.config", "value": "hunter2"});
    let requests = [
        (
            "POST",
            format!("{LINKS}?link_name=new&validate_only=true"),
            json!({"configs": [config]}),
            "sasl.jaas.config",
            204,
        ),
        ("DELETE", format!("{LINKS}/dr?force=true"), json!(null), "force=true", 204),
        ("PUT", format!("{LINKS}/dr/configs:alter"), json!({"data": [config]}), "sasl.jaas.config", 204),
        (
            "PUT",
            format!("{LINKS}/dr/configs/sasl.jaas.config"),
            json!({"value": "hunter2"}),
            "sasl.jaas.config",
            204,
        ),
        ("DELETE", format!("{LINKS}/dr/configs/acl.filters"), json!(null), "acl.filters", 204),
        ("POST", format!("{LINKS}/dr/mirrors"), json!({"source_topic_name": "orders"}), "orders", 204),
        (
            "POST",
            format!("{LINKS}/dr/mirrors:failover"),
            json!({"mirror_topic_names": ["users"]}),
            "users",
            200,
        ),
        ("POST", format!("{LINKS}/-/mirrors/users/filler:scan"), json!(null), "filler:scan", 200),
        ("POST", format!("{LINKS}?link_name=broken"), json!({"configs": [config]}), "link_name=broken", 409),
        ("POST", format!("{LINKS}/dr/mirrors:pause"), json!({}), "mirrors:pause", 400),
        ("POST", "/nothing".into(), json!({}), "/nothing", 404),
    ];
    for (number, (method, path, body, part, status)) in requests.iter().enumerate() {
        let operator = format!("auditor-{number}.");
        let headers =
            ["Host: gate", "Content-Type: application/json", &format!("X-Linkgate-Operator: {operator}")];
        let answer = server.ask_with(server.address, method, path, &headers, &body.to_string()).await;
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.body);
        let lines = lines(&operator);
        assert_eq!(lines.len(), 1, "{method} {path}: {lines:#?}");
        for part in [*part, method, "peer=\"127.0.0.1:", &format!("status={status}")] {
            assert!(lines[0].contains(part), "{part} in {}", lines[0]);
        }
        assert!(!lines[0].contains("hunter2"), "{}", lines[0]);
    }
    // Reading changes nothing.
    let headers = ["Host: gate", "X-Linkgate-Operator: looker."];
    assert_eq!(server.ask_with(server.address, "GET", LINKS, &headers, "").await.status, 200);
    assert!(lines("looker.").is_empty());
    // A request that is refused early is logged, too.
    let headers = ["Host: evil.example", "X-Linkgate-Operator: page."];
    assert_eq!(server.ask_with(server.address, "DELETE", LINKS, &headers, "").await.status, 421);
    assert!(lines("page.")[0].contains("status=421"));
}

#[tokio::test]
async fn the_journal_records_the_operator() {
    let server = server().await;
    let headers = ["Host: gate", "X-Linkgate-Operator: alice@bastion"];
    let path = format!("{LINKS}/dr");
    assert_eq!(server.ask_with(server.address, "DELETE", &path, &headers, "").await.status, 204);
    assert_eq!(server.ask_with(server.address, "DELETE", &path, &headers[..1], "").await.status, 204);
    let who = server.double.who.lock().unwrap().clone();
    assert!(who[0].starts_with("operator 127.0.0.1:") && who[0].ends_with(" (alice@bastion)"), "{who:?}");
    assert!(who[1].starts_with("operator 127.0.0.1:") && !who[1].contains('('), "{who:?}");
}
