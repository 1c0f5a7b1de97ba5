//! Runs the binaries, and builds the bodies of the server's answers.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::server::Server;

/// Result of one run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `kafka-cluster-links`.
pub(crate) fn cluster_links(server: &Server, words: &[&str]) -> Ran {
    run(env!("CARGO_BIN_EXE_kafka-cluster-links"), Some(&server.url), words)
}

/// Runs `kafka-mirrors`.
pub(crate) fn mirrors(server: &Server, words: &[&str]) -> Ran {
    run(env!("CARGO_BIN_EXE_kafka-mirrors"), Some(&server.url), words)
}

/// Runs `linkctl`.
pub(crate) fn linkctl(server: &Server, words: &[&str]) -> Ran {
    run(env!("CARGO_BIN_EXE_linkctl"), Some(&server.url), words)
}

/// Runs a binary. Sets LINKGATE_REST_URL to `url`, or leaves it unset.
pub(crate) fn run(binary: &str, url: Option<&str>, words: &[&str]) -> Ran {
    let output = command(binary, url, words).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Prepares the command of [`run`] without starting it.
pub(crate) fn command(binary: &str, url: Option<&str>, words: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(words).env("TZ", "UTC").env_remove("LINKGATE_REST_URL").stdin(Stdio::null());
    if let Some(url) = url {
        command.env("LINKGATE_REST_URL", url);
    }
    command
}

/// Checks for success, exactly `out` on stdout, and nothing on stderr.
#[track_caller]
pub(crate) fn prints(ran: Ran, out: &str) {
    assert_eq!(ran, Ran { code: 0, out: format!("{out}\n"), err: String::new() });
}

/// Checks for exit code `code`, exactly `err` on stderr, and nothing on stdout.
#[track_caller]
pub(crate) fn fails(ran: Ran, code: i32, err: &str) {
    assert_eq!(ran, Ran { code, out: String::new(), err: format!("{err}\n") });
}

/// Returns a list in the shape of the API.
pub(crate) fn list(data: &[Value]) -> String {
    json!({"kind": "List", "metadata": {"self": "", "next": null}, "data": data}).to_string()
}

/// Returns a link.
pub(crate) fn link(name: &str, state: &str, topics: &[&str]) -> Value {
    json!({
        "kind": "KafkaLinkData", "metadata": {"self": "", "resource_name": null}, "source_cluster_id": "src-1",
        "link_name": name, "link_id": "0000", "cluster_link_id": "AMw2VoNJRya3CgMHGRnwIQ", "topic_names": topics,
        "link_error": "NO_ERROR", "link_state": state, "tasks": null,
        "linkgate": {"local_cluster_id": "dst-1", "link_mode": "DESTINATION", "connection_mode": "OUTBOUND",
                     "remote_cluster_available": state == "ACTIVE"},
    })
}

/// Returns a config of link `dr`.
pub(crate) fn config(name: &str, value: &str, is_default: bool, sensitive: bool) -> Value {
    json!({
        "kind": "KafkaLinkConfigData", "metadata": {"self": ""}, "cluster_id": "c1", "name": name, "value": value,
        "is_default": is_default, "is_read_only": false, "is_sensitive": sensitive, "default": is_default,
        "read_only": false, "sensitive": sensitive, "source": "DYNAMIC_CLUSTER_LINK_CONFIG", "synonyms": [],
        "link_name": "dr",
    })
}

/// Returns a mirror topic with one partition.
pub(crate) fn mirror(link: &str, topic: &str, status: &str, lag: i64) -> Value {
    json!({
        "kind": "KafkaMirrorData", "metadata": {"self": ""}, "link_name": link, "mirror_topic_name": topic,
        "source_topic_name": topic, "num_partitions": 1, "mirror_status": status, "mirror_topic_error": "NO_ERROR",
        "mirror_lags": [{"partition": 0, "lag": lag, "last_source_fetch_offset": 5}],
        "state_time_ms": 1_742_984_512_000_i64,
        "linkgate": {"link_id": "AMw2VoNJRya3CgMHGRnwIQ", "source_topic_id": "QHWuJ5rzQl-bAW_HxGErTg",
            "local_topic_id": "QHWuJ5rzQl-bAW_HxGErTg", "stopped_sequence_number": 0, "reason": "",
            "partitions": [{"partition": 0, "state": status, "local_log_end_offset": 5,
                "last_fetch_source_high_watermark": 5 + lag, "lag": lag, "time_since_last_fetch_ms": 866}]},
    })
}

/// Returns the entry of an action that was accepted, or refused with a code and a reason.
pub(crate) fn entry(topic: &str, refusal: Option<(i32, &str)>) -> Value {
    json!({
        "kind": "AlterMirrorsData", "metadata": {"self": "", "resource": null}, "mirror_topic_name": topic,
        "error_code": refusal.map(|(code, _)| code), "error_message": refusal.map(|(_, text)| text),
        "mirror_lags": [{"partition": 0, "lag": 3, "last_source_fetch_offset": 5}],
        "messages_truncated": null, "partition_level_truncation_data": [],
    })
}
