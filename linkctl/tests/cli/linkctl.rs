//! `linkctl`

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::run::{Ran, command, config, entry, fails, link, linkctl, list, mirror, prints, run};
use crate::server::Server;

const ALL: &str = "GET /links/-/mirrors";

#[test]
fn links_are_listed_as_table_plain_and_json() {
    let links = list(&[link("dr", "ACTIVE", &["users"]), link("archive", "UNAVAILABLE", &[])]);
    let server = Server::start(&[("GET /links", 200, &links)]);
    prints(
        linkctl(&server, &["link", "list"]),
        "LINK     STATE        SOURCE CLUSTER  LINK ID                 MIRRORS  ERROR\n\
         dr       ACTIVE       src-1           AMw2VoNJRya3CgMHGRnwIQ        1  -\n\
         archive  UNAVAILABLE  src-1           AMw2VoNJRya3CgMHGRnwIQ        0  -",
    );
    prints(
        linkctl(&server, &["link", "list", "--output", "plain"]),
        "dr\tACTIVE\tsrc-1\tAMw2VoNJRya3CgMHGRnwIQ\t1\t-\narchive\tUNAVAILABLE\tsrc-1\tAMw2VoNJRya3CgMHGRnwIQ\t0\t-",
    );
    let json: Value = serde_json::from_str(&linkctl(&server, &["-o", "json", "link", "list"]).out).unwrap();
    assert_eq!(json[1]["link_name"], "archive");
}

#[test]
fn create_a_link_and_wait_for_it() {
    let (pending, active) =
        (link("dr", "UNAVAILABLE", &[]).to_string(), link("dr", "ACTIVE", &[]).to_string());
    let server = Server::start(&[
        ("POST /links?link_name=dr&validate_only=false&validate_link=true", 204, ""),
        ("GET /links/dr?include_tasks=false", 200, &pending),
        ("GET /links/dr?include_tasks=false", 200, &active),
    ]);
    let ran = linkctl(&server, &["link", "create", "dr", "--config", "bootstrap.servers=a:1", "--wait"]);
    let err = "link 'dr' created\ndr: UNAVAILABLE\ndr: ACTIVE\n".to_owned();
    assert_eq!(ran, Ran { code: 0, out: String::new(), err });
}

#[test]
fn link_configs_are_listed_and_altered() {
    let configs = list(&[
        config("bootstrap.servers", "src:9092", false, false),
        config("acl.sync.ms", "5000", true, false),
    ]);
    let server =
        Server::start(&[("GET /links/dr/configs", 200, &configs), ("PUT /links/dr/configs:alter", 204, "")]);
    prints(
        linkctl(&server, &["link", "configs", "list", "dr"]),
        "CONFIG             VALUE     SOURCE\nbootstrap.servers  src:9092  set\nacl.sync.ms        5000      default",
    );
    let ran =
        linkctl(&server, &["link", "configs", "alter", "dr", "--set", "a=1", "--unset", "b", "--dry-run"]);
    assert_eq!(
        ran,
        Ran { code: 0, out: String::new(), err: "configs of link 'dr' can be altered\n".to_owned() }
    );
    assert_eq!(
        server.requests()[1],
        r#"PUT /links/dr/configs:alter {"data":[{"name":"a","value":"1","operation":"SET"},{"name":"b","value":null,"operation":"DELETE"}],"validate_only":true}"#
    );
}

#[test]
fn describe_and_tasks_of_a_link() {
    let mut dr = link("dr", "ACTIVE", &["users"]);
    let configs = list(&[config("sasl.jaas.config", "", false, true)]);
    let plain = dr.to_string();
    dr["tasks"] = serde_json::json!([{"task_name": "AclSync", "state": "IN_ERROR", "errors":
        [{"error_code": "MISCONFIGURATION_ERROR", "error_message": "acl.filters is not set"}]}]);
    let server = Server::start(&[
        ("GET /links/dr?include_tasks=false", 200, &plain),
        ("GET /links/dr/configs", 200, &configs),
        ("GET /links/dr?include_tasks=true", 200, &dr.to_string()),
    ]);
    let described = linkctl(&server, &["link", "describe", "dr", "-o", "plain"]);
    assert!(described.out.contains("source answers\tyes\n"), "{}", described.out);
    assert!(described.out.ends_with("sasl.jaas.config\t[hidden]\n"), "{}", described.out);
    prints(
        linkctl(&server, &["link", "tasks", "dr"]),
        "TASK     STATE     ERRORS\nAclSync  IN_ERROR  MISCONFIGURATION_ERROR: acl.filters is not set",
    );
}

#[test]
fn delete_a_link() {
    let body = r#"{"error_code":40301,"message":"Cluster link 'dr' still has mirror topics."}"#;
    let server = Server::start(&[
        ("DELETE /links/dr?force=false&validate_only=false", 403, body),
        ("DELETE /links/dr?force=true&validate_only=false", 200, ""),
    ]);
    fails(
        linkctl(&server, &["link", "delete", "dr"]),
        1,
        "error: Cluster link 'dr' still has mirror topics.",
    );
    let ran = linkctl(&server, &["link", "delete", "dr", "--force", "--yes"]);
    assert_eq!(ran, Ran { code: 0, out: String::new(), err: "link 'dr' deleted\n".to_owned() });
}

#[test]
fn mirrors_are_listed_with_their_lag_and_reason() {
    let mut failed = mirror("dr", "orders", "FAILED", 7);
    failed["linkgate"]["reason"] = "the source topic was deleted".into();
    let server = Server::start(&[(ALL, 200, &list(&[mirror("dr", "users", "ACTIVE", 2), failed]))]);
    prints(
        linkctl(&server, &["mirror", "list"]),
        "TOPIC   LINK  STATE   PARTITIONS  MAX LAG  SOURCE TOPIC  REASON\n\
         users   dr    ACTIVE           1        2  users         -\n\
         orders  dr    FAILED           1        7  orders        the source topic was deleted",
    );
    prints(
        linkctl(&server, &["mirror", "describe", "users"]),
        "users is ACTIVE since 2025-03-26 10:21:52: mirror of 'users' on link 'dr', 1 partition\n\n\
         TOPIC  PARTITION  STATE   LOG END  SOURCE HW  LAG  LAST FETCH MS  REASON\n\
         users          0  ACTIVE        5          7    2            866  -",
    );
    fails(linkctl(&server, &["mirror", "describe", "nope"]), 1, "error: Topic 'nope' is not a mirror topic.");
}

#[test]
fn creating_several_mirrors_reports_the_one_that_failed() {
    let exists = r#"{"error_code":40002,"message":"Topic 'orders' already exists."}"#;
    let create = "POST /links/dr/mirrors";
    let server = Server::start(&[(create, 204, ""), (create, 400, exists)]);
    let ran = linkctl(&server, &["mirror", "create", "users", "orders", "--link", "dr"]);
    let err =
        "users: created\norders: Topic 'orders' already exists.\nerror: 1 of 2 mirror topics not created\n";
    assert_eq!(ran, Ran { code: 1, out: String::new(), err: err.to_owned() });
}

#[test]
fn promote_and_wait() {
    let promote = "POST /links/dr/mirrors:promote?validate_only=false";
    let server = Server::start(&[
        (ALL, 200, &list(&[mirror("dr", "users", "ACTIVE", 3)])),
        (ALL, 200, &list(&[mirror("dr", "users", "PENDING_STOPPED", 3)])),
        (ALL, 200, &list(&[mirror("dr", "users", "STOPPED", 0)])),
        (promote, 200, &list(&[entry("users", None)])),
    ]);
    let ran = linkctl(&server, &["mirror", "promote", "users", "--wait"]);
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "TOPIC  RESULT    MAX LAG  ERROR\nusers  accepted        3  -\n".to_owned(),
            err: "users: PENDING_STOPPED, lag 3\nusers: STOPPED\n".to_owned(),
        }
    );
}

#[test]
fn waiting_has_its_own_exit_codes() {
    let promote = "POST /links/dr/mirrors:promote?validate_only=false";
    let entries = list(&[entry("users", None)]);
    let pending = list(&[mirror("dr", "users", "PENDING_STOPPED", 3)]);
    let server = Server::start(&[(ALL, 200, &pending), (promote, 200, &entries)]);
    let ran =
        linkctl(&server, &["mirror", "promote", "users", "--wait", "--wait-timeout", "0", "-o", "plain"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, "users\taccepted\t3\t-\n"));
    assert!(
        ran.err.ends_with("error: after 0 s still waiting for users; the request remains in effect\n"),
        "{}",
        ran.err
    );
    let failed = list(&[mirror("dr", "users", "FAILED", 3)]);
    let server = Server::start(&[(ALL, 200, &pending), (ALL, 200, &failed), (promote, 200, &entries)]);
    let ran = linkctl(&server, &["mirror", "promote", "users", "--wait"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.ends_with("error: failed: users\n"), "{}", ran.err);
}

#[test]
fn failover_of_all_reports_refused_topics() {
    let failover = "POST /links/dr/mirrors:failover?validate_only=false";
    let entries = list(&[entry("users", None), entry("orders", Some((400, "no")))]);
    let both = list(&[mirror("dr", "users", "ACTIVE", 3), mirror("dr", "orders", "ACTIVE", 3)]);
    let server = Server::start(&[("GET /links/dr/mirrors", 200, &both), (failover, 200, &entries)]);
    let ran = linkctl(&server, &["mirror", "failover", "--all", "--link", "dr", "-o", "plain"]);
    let out = "users\taccepted\t3\t-\norders\trefused (400)\t3\tno\n".to_owned();
    assert_eq!(ran, Ran { code: 1, out, err: "error: 1 of 2 refused\n".to_owned() });
}

#[test]
fn pause_and_resume_with_dry_run() {
    let server = Server::start(&[
        (ALL, 200, &list(&[mirror("dr", "users", "ACTIVE", 3)])),
        ("POST /links/dr/mirrors:pause?validate_only=true", 200, &list(&[entry("users", None)])),
        ("POST /links/dr/mirrors:resume?validate_only=false", 200, &list(&[entry("users", None)])),
    ]);
    prints(linkctl(&server, &["mirror", "pause", "users", "--dry-run", "-o", "plain"]), "users\tvalid\t3\t-");
    prints(linkctl(&server, &["mirror", "resume", "users", "-o", "plain"]), "users\taccepted\t3\t-");
}

#[test]
fn status_shows_links_and_mirrors() {
    let server = Server::start(&[
        ("GET /links", 200, &list(&[link("dr", "ACTIVE", &["users"])])),
        (ALL, 200, &list(&[mirror("dr", "users", "ACTIVE", 2)])),
    ]);
    let ran = linkctl(&server, &["status"]);
    assert!(
        ran.out.starts_with(&format!("Linkgate at {}, destination cluster c1\n\nLINK ", server.url)),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("\n\nTOPIC "), "{}", ran.out);
}

#[test]
fn watch_repeats_without_control_characters_if_stdout_is_no_terminal() {
    let server = Server::start(&[("GET /links", 200, &list(&[link("dr", "ACTIVE", &[])]))]);
    let words = ["link", "list", "--watch", "1", "-o", "plain"];
    let mut child = command(env!("CARGO_BIN_EXE_linkctl"), Some(&server.url), &words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = "dr\tACTIVE\tsrc-1\tAMw2VoNJRya3CgMHGRnwIQ\t0\t-";
    assert_eq!(lines.next().unwrap().unwrap(), line);
    assert_eq!(lines.next().unwrap().unwrap(), line);
    // When the reader is gone, the tool ends by itself.
    drop(lines);
    assert!(child.wait().unwrap().success());
}

#[test]
fn wrong_command_lines_exit_with_2() {
    let server = Server::start(&[]);
    for words in [
        &["mirror", "promote"][..],
        &["mirror", "promote", "users", "--all"],
        &["mirror", "create", "users"],
        &["link", "configs", "alter", "dr"],
        &["link", "create", "dr", "--config", "a=b"],
        &["link", "create", "dr", "--config", "bootstrap.servers=a:1,b"],
        &["link", "list", "--output", "xml"],
        &["link", "list", "--rest-url", "https://h:8090"],
        &["link", "describe", "-"],
        &["mirror", "promote", "t", "--wait", "--wait-timeout", "18446744073709551615"],
    ] {
        assert_eq!(linkctl(&server, words).code, 2, "{words:?}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn help_shows_exit_codes_and_examples() {
    let help = run(env!("CARGO_BIN_EXE_linkctl"), None, &["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Exit codes:\n  0  ") && help.out.contains("Examples:\n"), "{}", help.out);
    let promote = run(env!("CARGO_BIN_EXE_linkctl"), None, &["mirror", "promote", "--help"]);
    assert!(promote.out.contains("linkctl mirror promote users --wait"), "{}", promote.out);
}

#[test]
fn completion_is_printed_for_each_shell() {
    for (shell, text) in
        [("bash", "complete -F"), ("zsh", "#compdef linkctl"), ("fish", "complete -c linkctl")]
    {
        let script = run(env!("CARGO_BIN_EXE_linkctl"), None, &["completion", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains(text) && script.out.contains("failover"), "{shell}: {}", script.out);
    }
    assert_eq!(run(env!("CARGO_BIN_EXE_linkctl"), None, &["completion", "tcsh"]).code, 2);
}
