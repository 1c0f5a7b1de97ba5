//! `kafka-mirrors`

use crate::run::{Ran, entry, fails, list, mirror, mirrors, prints};
use crate::server::Server;

const ALL: &str = "GET /links/-/mirrors";
const OF_LINK: &str = "GET /links/test-link/mirrors";

fn scheduled(topic: &str) -> String {
    format!(
        "Request for stopping topic {topic}'s mirror was successfully scheduled. Please use the describe command with \
         the --pending-stopped-only option to monitor progress."
    )
}

#[test]
fn create() {
    let server = Server::start(&[("POST /links/test-link/mirrors", 204, "")]);
    let words = &["--create", "--mirror-topic", "users", "--link", "test-link", "--replication-factor", "2"];
    prints(mirrors(&server, words), "Created topic users.");
    assert_eq!(
        server.requests(),
        [
            r#"POST /links/test-link/mirrors {"source_topic_name":"users","mirror_topic_name":"users","replication_factor":2,"configs":[]}"#
        ]
    );
}

#[test]
fn create_of_an_existing_topic_is_refused() {
    let body = r#"{"error_code":40002,"message":"Topic 'users' already exists."}"#;
    let server = Server::start(&[("POST /links/test-link/mirrors", 400, body)]);
    let ran = mirrors(&server, &["--create", "--mirror-topic", "users", "--link", "test-link"]);
    fails(ran, 1, "Error while executing mirror command: Topic 'users' already exists.");
}

#[test]
fn list_prints_names_only() {
    let all = list(&[
        mirror("a", "users", "ACTIVE", 0),
        mirror("a", "gone", "STOPPED", 0),
        mirror("b", "orders", "FAILED", 0),
    ]);
    let server = Server::start(&[(ALL, 200, &all)]);
    prints(mirrors(&server, &["--list"]), "users\norders");
    prints(mirrors(&server, &["--list", "--include-stopped"]), "users\ngone\norders");
    let empty = Server::start(&[(ALL, 200, &list(&[]))]);
    let ran = mirrors(&empty, &["--list"]);
    assert_eq!(ran, Ran { code: 0, out: String::new(), err: "No mirror topics found.\n".to_owned() });
}

fn described(topic: &str, state: &str, lag: i64) -> String {
    format!(
        "Topic: {topic}\tLinkName: test-link\tLinkId: AMw2VoNJRya3CgMHGRnwIQ\tSourceTopic: {topic}\tState: {state}\t\
         SourceTopicId: QHWuJ5rzQl-bAW_HxGErTg\tStoppedSequenceNumber: 0\tStateTime: 2025-03-26 10:21:52\n\
         \tPartition: 0\tState: {state}\tLocalLogEndOffset: 5\tLastFetchSourceHighWatermark: {}\tLag: {lag}\t\
         TimeSinceLastFetchMs: 866",
        5 + lag
    )
}

#[test]
fn describe_hides_stopped_topics_unless_named() {
    let all = list(&[
        mirror("test-link", "users", "ACTIVE", 2),
        mirror("test-link", "orders", "PENDING_STOPPED", 0),
        mirror("test-link", "gone", "STOPPED", 0),
    ]);
    let server = Server::start(&[(ALL, 200, &all), (OF_LINK, 200, &all)]);
    let users = described("users", "ACTIVE", 2);
    let orders = described("orders", "PENDING_STOPPED", 0);
    let gone = described("gone", "STOPPED", 0);
    prints(mirrors(&server, &["--describe"]), &format!("{users}\n{orders}"));
    prints(mirrors(&server, &["--describe", "--links", "test-link"]), &format!("{users}\n{orders}"));
    prints(mirrors(&server, &["--describe", "--topics", "gone"]), &gone);
    prints(mirrors(&server, &["--describe", "--pending-stopped-only"]), &orders);
    prints(mirrors(&server, &["--describe", "--include-stopped"]), &format!("{users}\n{orders}\n{gone}"));
    prints(mirrors(&server, &["--describe", "--topics", "nope"]), "No mirror topics found.");
}

#[test]
fn failover_of_a_link_includes_all_topics_that_have_not_stopped() {
    let all = list(&[
        mirror("test-link", "users", "ACTIVE", 0),
        mirror("test-link", "gone", "STOPPED", 0),
        mirror("test-link", "orders", "SOURCE_UNAVAILABLE", 0),
    ]);
    let entries = list(&[entry("users", None), entry("orders", None)]);
    let action = "POST /links/test-link/mirrors:failover?validate_only=false";
    let server = Server::start(&[(OF_LINK, 200, &all), (action, 200, &entries)]);
    let ran = mirrors(&server, &["--failover", "--link", "test-link", "--bootstrap-server", "h:9092"]);
    prints(ran, &format!("{}\n{}", scheduled("users"), scheduled("orders")));
    assert_eq!(server.requests()[1], format!(r#"{action} {{"mirror_topic_names":["users","orders"]}}"#));
}

#[test]
fn promote_prints_the_lag_lines_and_a_result_per_topic() {
    let all = list(&[mirror("a", "users", "ACTIVE", 0), mirror("b", "orders", "STOPPED", 0)]);
    let refused = entry("orders", Some((400, "Topic 'orders' has already stopped its mirror from 'b'")));
    let server = Server::start(&[
        (ALL, 200, &all),
        ("POST /links/a/mirrors:promote?validate_only=false", 200, &list(&[entry("users", None)])),
        ("POST /links/b/mirrors:promote?validate_only=false", 200, &list(&[refused])),
    ]);
    let ran = mirrors(&server, &["--promote", "--topics", "users,orders,nope"]);
    let prefix = "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors";
    assert_eq!(
        ran,
        Ran {
            code: 1,
            out: format!(
                "Calculating max offset and ms lag for mirror topics: [users, orders]\n\
                 Finished calculating max offset lag and max lag ms for mirror topics: [users, orders]\n{}\n",
                scheduled("users")
            ),
            err: format!(
                "Error encountered while stopping topic orders's mirror: {prefix}.InvalidRequestException: Topic \
                 'orders' has already stopped its mirror from 'b'\n\
                 Error encountered while stopping topic nope's mirror: {prefix}.UnknownTopicOrPartitionException: \
                 Topic 'nope' is not a mirror topic.\n"
            ),
        }
    );
}

#[test]
fn pause_resume_and_unpause_are_accepted() {
    let all = list(&[mirror("test-link", "users", "ACTIVE", 0)]);
    let entries = list(&[entry("users", None)]);
    let server = Server::start(&[
        (ALL, 200, &all),
        ("POST /links/test-link/mirrors:pause?validate_only=false", 200, &entries),
        ("POST /links/test-link/mirrors:resume?validate_only=false", 200, &entries),
        ("POST /links/test-link/mirrors:failover?validate_only=true", 200, &entries),
    ]);
    prints(
        mirrors(&server, &["--pause", "--topics", "users"]),
        "Request for pausing topic users's mirror was successfully scheduled.",
    );
    for word in ["--resume", "--unpause"] {
        prints(
            mirrors(&server, &[word, "--topics=users"]),
            "Request for unpausing topic users's mirror was successfully scheduled.",
        );
    }
    prints(
        mirrors(&server, &["--failover", "--topics=users", "--validate-only"]),
        "Request for stopping topic users's mirror was successfully validated.",
    );
}

#[test]
fn a_failing_link_does_not_stop_the_action_on_the_others() {
    let all = list(&[mirror("a", "users", "ACTIVE", 0), mirror("b", "orders", "ACTIVE", 0)]);
    let server = Server::start(&[
        (ALL, 200, &all),
        (
            "POST /links/a/mirrors:failover?validate_only=false",
            500,
            r#"{"error_code":500,"message":"disk full"}"#,
        ),
        ("POST /links/b/mirrors:failover?validate_only=false", 200, &list(&[entry("orders", None)])),
    ]);
    let ran = mirrors(&server, &["--failover", "--topics", "users,orders"]);
    let err = "Error while executing mirror command: disk full\n".to_owned();
    assert_eq!(ran, Ran { code: 1, out: format!("{}\n", scheduled("orders")), err });
}

#[test]
fn a_missing_link_does_not_stop_the_action_on_the_others() {
    let of_b = list(&[mirror("b", "orders", "ACTIVE", 0)]);
    let gone =
        r#"{"error_code":404,"message":"The cluster link doesn't exist: Cluster link 'a' does not exist."}"#;
    let server = Server::start(&[
        ("GET /links/a/mirrors", 404, gone),
        ("GET /links/b/mirrors", 200, &of_b),
        ("POST /links/b/mirrors:failover?validate_only=false", 200, &list(&[entry("orders", None)])),
    ]);
    let ran = mirrors(&server, &["--failover", "--links", "a,b"]);
    assert_eq!((ran.code, ran.out), (1, format!("{}\n", scheduled("orders"))));
    assert!(ran.err.contains("Cluster link 'a' does not exist."), "{}", ran.err);
    // If no link can be read, only one error is printed.
    let ran = mirrors(&server, &["--failover", "--links", "a"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn an_action_reads_only_the_topics_it_needs() {
    let all = list(&[mirror("a", "users", "ACTIVE", 0)]);
    let server = Server::start(&[
        (ALL, 200, &all),
        ("GET /links/a/mirrors", 200, &all),
        ("POST /links/a/mirrors:failover?validate_only=false", 200, &list(&[entry("users", None)])),
    ]);
    for words in [&["--failover", "--topics", "users"][..], &["--failover", "--link", "a"]] {
        assert_eq!(mirrors(&server, words).code, 0);
    }
    let asked = server.requests();
    let reads: Vec<&str> = asked.iter().map(String::as_str).filter(|line| line.starts_with("GET")).collect();
    assert_eq!(reads, ["GET /links/-/mirrors/users", "GET /links/a/mirrors?include_partitions=false"]);
}

#[test]
fn text_from_other_machines_cannot_control_the_terminal() {
    let mut failed = mirror("a", "users", "FAILED", 0);
    failed["linkgate"]["reason"] = "source said \u{1b}]0;owned\u{7}".into();
    let server = Server::start(&[(ALL, 200, &list(&[failed]))]);
    let ran = mirrors(&server, &["--describe"]);
    assert!(ran.out.contains("Reason: source said ]0;owned"), "{}", ran.out);
    assert!(!ran.out.contains(['\u{1b}', '\u{7}']), "{:?}", ran.out);
}

#[test]
fn wrong_command_lines_send_nothing() {
    let server = Server::start(&[]);
    let usage = "\nUse kafka-mirrors --help for its options.";
    for (words, expected) in [
        (&["--create", "--link", "l"][..], format!("Missing required argument \"[mirror-topic]\"{usage}")),
        (&["--create", "--mirror-topic", "t"], format!("Missing required argument \"[link]\"{usage}")),
        (
            &["--failover"],
            format!("Option \"[failover]\" needs --topics or --link to say which mirror topics{usage}"),
        ),
        (&["--failover", "--topics", ","], format!("Option \"[topics]\" contains no name{usage}")),
        (
            &["--create", "--link", "l", "--mirror-topic", "t", "--replication-factor", "0"],
            format!("Option replication-factor needs a number from 1 to 32767, not '0'{usage}"),
        ),
        (
            &["--reverse-and-start", "--topics", "t"],
            "Error while executing mirror command: --reverse-and-start is not supported by this version of Linkgate: \
             it belongs to bidirectional links, and Linkgate's links go one way. Nothing was done."
                .to_owned(),
        ),
    ] {
        fails(mirrors(&server, words), 1, &expected);
    }
    let both = mirrors(&server, &["--promote", "--failover", "--topics", "t"]);
    assert_eq!((both.code, both.out.as_str()), (1, ""));
    assert!(
        both.err.starts_with("Command must include exactly one action: --create, --list,"),
        "{}",
        both.err
    );
    assert!(server.requests().is_empty());
}
