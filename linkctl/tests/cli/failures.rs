//! Failures: a server that is unreachable, or that is not the REST API of Linkgate.

use std::net::TcpListener;

use crate::run::{cluster_links, fails, linkctl, run};
use crate::server::Server;

const LINKS: &str = env!("CARGO_BIN_EXE_kafka-cluster-links");

/// Returns a port without a listener: it is bound once and released.
fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_refused_connection_names_the_address_and_how_to_change_it() {
    let url = format!("http://127.0.0.1:{}", dead_port());
    let told = |origin: &str| {
        format!(
            "cannot reach the REST API of Linkgate at {url} (from {origin}): connection refused. Is linkgate running \
             there? Give its address with --rest-url or LINKGATE_REST_URL."
        )
    };
    let prefix = "Error while executing cluster link command: ";
    let words = ["--list", "--rest-url", &url];
    fails(run(LINKS, Some("http://127.0.0.1:1"), &words), 1, &format!("{prefix}{}", told("--rest-url")));
    fails(run(LINKS, Some(&url), &["--list"]), 1, &format!("{prefix}{}", told("LINKGATE_REST_URL")));
    let ran = run(env!("CARGO_BIN_EXE_linkctl"), None, &["link", "list", "--rest-url", &url]);
    fails(ran, 3, &format!("error: {}", told("--rest-url")));
}

#[test]
fn without_any_address_the_bootstrap_server_is_missing() {
    let expected =
        "Missing required argument \"[bootstrap-server]\"\nUse kafka-cluster-links --help for its options.";
    fails(run(LINKS, None, &["--list"]), 1, expected);
}

#[test]
fn an_answer_that_is_not_json_is_reported() {
    let server = Server::start(&[("GET /links", 200, "<html>hello</html>")]);
    let url = format!("{}/kafka/v3/clusters/c1/links", server.url);
    let told = format!(
        "unexpected answer from {url} (HTTP 200): expected value at line 1 column 1. Is this the REST API of Linkgate?"
    );
    fails(
        cluster_links(&server, &["--list"]),
        1,
        &format!("Error while executing cluster link command: {told}"),
    );
    fails(linkctl(&server, &["link", "list"]), 3, &format!("error: {told}"));
}

#[test]
fn a_huge_answer_is_refused() {
    let huge = " ".repeat(33 * 1024 * 1024);
    let server = Server::start(&[("GET /links", 200, &huge)]);
    let ran = cluster_links(&server, &["--list"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("(HTTP 200): more than 33554432 bytes."), "{}", ran.err);
}

#[test]
fn an_error_answer_without_json_is_still_reported() {
    let server = Server::start(&[("GET /links", 429, "<h1>Too many</h1>")]);
    fails(linkctl(&server, &["link", "list"]), 1, "error: HTTP 429 Too Many Requests: <h1>Too many</h1>");
}

#[test]
fn a_bootstrap_server_gives_the_host_and_port_8090() {
    // Nothing listens on this reserved host name; the test checks only the URL that was tried.
    let ran = run(LINKS, None, &["--list", "--bootstrap-server", "linkgate.invalid:9092"]);
    assert_eq!(ran.code, 1);
    let told =
        "cannot reach the REST API of Linkgate at http://linkgate.invalid:8090 (from --bootstrap-server)";
    assert!(ran.err.contains(told), "{}", ran.err);
}

#[test]
fn the_flag_wins_over_the_environment() {
    let server = Server::start(&[("GET /links", 200, r#"{"kind":"","metadata":{"self":""},"data":[]}"#)]);
    let url = format!("127.0.0.1:{}/kafka/v3/", server.port);
    let ran = run(LINKS, Some("http://127.0.0.1:1"), &["--list", "--rest-url", &url]);
    assert_eq!(ran.out, "No cluster links found.\n");
}
