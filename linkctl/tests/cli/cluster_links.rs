//! `kafka-cluster-links`

use std::io::Write as _;

use crate::run::{cluster_links, config, fails, link, list, prints, run};
use crate::server::Server;

const CREATE: &str = "POST /links?link_name=test-link&validate_only=false&validate_link=true";

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn create_with_inline_config() {
    let server = Server::start(&[(CREATE, 204, "")]);
    let ran = cluster_links(
        &server,
        &[
            "--bootstrap-server",
            "x:9092",
            "--create",
            "--link",
            "test-link",
            "--config",
            "bootstrap.servers=[a:1,b:2]",
        ],
    );
    prints(ran, "Cluster link 'test-link' creation successfully completed.");
    assert_eq!(
        server.requests(),
        [format!("{CREATE} {{\"configs\":[{{\"name\":\"bootstrap.servers\",\"value\":\"a:1,b:2\"}}]}}")]
    );
}

#[test]
fn create_with_files_and_single_dashes() {
    let server = Server::start(&[(CREATE, 204, "")]);
    let properties = file("bootstrap.servers=src:9092\nconsumer.offset.sync.enable=true\n");
    let filters = file(r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#);
    let ran = cluster_links(
        &server,
        &[
            "-create",
            "-link=test-link",
            "--config-file",
            properties.path().to_str().unwrap(),
            "--consumer-group-filters-json-file",
            filters.path().to_str().unwrap(),
            "--cluster-id",
            "src-1",
        ],
    );
    prints(ran, "Cluster link 'test-link' creation successfully completed.");
    let request = &server.requests()[0];
    assert!(request.contains(r#""source_cluster_id":"src-1""#), "{request}");
    assert!(
        request.contains(r#"{"name":"consumer.offset.group.filters","value":"{\"groupFilters\":[{"#),
        "{request}"
    );
}

#[test]
fn validate_only_and_exclude_validate_link() {
    let path = "POST /links?link_name=dr&validate_only=true&validate_link=false";
    let server = Server::start(&[(path, 204, "")]);
    let words = &[
        "--create",
        "--link",
        "dr",
        "--config=bootstrap.servers=a:1",
        "--validate-only",
        "--exclude-validate-link",
    ];
    prints(cluster_links(&server, words), "Cluster link 'dr' creation successfully validated.");
}

#[test]
fn create_of_an_existing_link_is_refused() {
    let body = r#"{"error_code":40902,"message":"Cluster link 'test-link' already exists."}"#;
    let server = Server::start(&[(CREATE, 409, body)]);
    let ran =
        cluster_links(&server, &["--create", "--link", "test-link", "--config", "bootstrap.servers=a:1"]);
    fails(ran, 1, "Error while executing cluster link command: Cluster link 'test-link' already exists.");
}

#[test]
fn invalid_input_is_refused_before_anything_is_sent() {
    let server = Server::start(&[]);
    let broken = file("{\"groupFilters\": [\n  oops]}");
    let path = broken.path().to_str().unwrap();
    let usage = "\nUse kafka-cluster-links --help for its options.";
    let prefix = "Error while executing cluster link command: ";
    let create = ["--create", "--link", "dr", "--config"];
    let with = |rest: &[&'static str]| create.iter().copied().chain(rest.iter().copied()).collect::<Vec<_>>();
    for (words, expected) in [
        (vec!["--create"], format!("Missing required argument \"[link]\"{usage}")),
        (
            vec!["--create", "--list"],
            format!(
                "Command must include exactly one action: --create, --list, --describe or --delete{usage}"
            ),
        ),
        (
            vec!["--list", "--force"],
            format!("Option \"[force]\" can't be used with option \"[list]\"{usage}"),
        ),
        (vec!["--alter"], format!("alter is not a recognized option{usage}")),
        (
            with(&["acks=1"]),
            format!(
                "{prefix}bootstrap.servers of the source cluster is missing: give it with --config or --config-file"
            ),
        ),
        (
            with(&["bootstrap.servers=a:1,b:2"]),
            format!(
                "{prefix}--config: 'b:2' (character 23) is not of the form key=value; write a value that contains \
                 commas as key=[a,b]"
            ),
        ),
        (
            with(&["bootstrap.servers=a:1", "--command-config", "/no/such/file"]),
            format!("{prefix}cannot read /no/such/file: No such file or directory (os error 2)"),
        ),
    ] {
        fails(cluster_links(&server, &words), 1, &expected);
    }
    let mut words = with(&["bootstrap.servers=a:1"]);
    words.extend(["--consumer-group-filters-json-file", path]);
    let expected = format!(
        "{prefix}{path} is not a valid consumer group filter: it is not JSON: expected value at line 2 column 3"
    );
    fails(cluster_links(&server, &words), 1, &expected);
    assert!(server.requests().is_empty());
}

#[test]
fn list_uses_the_layout_of_version_7_4() {
    let links = list(&[link("dr", "ACTIVE", &["b", "a"]), link("old", "UNAVAILABLE", &[])]);
    let server = Server::start(&[("GET /links", 200, &links)]);
    let line = |name: &str, available: &str, state: &str| {
        format!(
            "Link name: '{name}', link ID: 'AMw2VoNJRya3CgMHGRnwIQ', remote cluster ID: 'src-1', local cluster ID: \
             'dst-1', remote cluster available: '{available}', link state: '{state}'"
        )
    };
    let (dr, old) = (line("dr", "true", "ACTIVE"), line("old", "false", "UNAVAILABLE"));
    prints(cluster_links(&server, &["-list"]), &format!("{dr}\n{old}"));
    prints(
        cluster_links(&server, &["--list", "--include-topics"]),
        &format!("{dr}, topics: [b, a]\n{old}, topics: []"),
    );
    let empty = Server::start(&[("GET /links", 200, &list(&[]))]);
    prints(cluster_links(&empty, &["--list"]), "No cluster links found.");
}

#[test]
fn describe_shows_set_configs_and_hides_secrets() {
    let configs = list(&[
        config("bootstrap.servers", "src:9092", false, false),
        config("sasl.jaas.config", "", false, true),
        config("acl.sync.ms", "5000", true, false),
    ]);
    let dr = link("dr", "ACTIVE", &["users"]).to_string();
    let server = Server::start(&[
        ("GET /links/dr?include_tasks=false", 200, &dr),
        ("GET /links/dr/configs", 200, &configs),
    ]);
    prints(
        cluster_links(&server, &["--describe", "--link", "dr"]),
        "Link name: 'dr', link ID: 'AMw2VoNJRya3CgMHGRnwIQ', remote cluster ID: 'src-1', local cluster ID: 'dst-1', \
         link mode: 'DESTINATION', connection mode: 'OUTBOUND', link state: 'ACTIVE', link coordinator id: '0', link \
         coordinator host: '127.0.0.1', topics: [users]\n\
         Configs: bootstrap.servers=src:9092,sasl.jaas.config=[hidden]",
    );
}

#[test]
fn a_missing_link_is_reported_without_the_prefix_of_the_rest_layer() {
    let body =
        r#"{"error_code":404,"message":"The cluster link doesn't exist: Cluster link 'no' does not exist."}"#;
    let server = Server::start(&[
        ("GET /links/no?include_tasks=false", 404, body),
        ("DELETE /links/no?force=false&validate_only=false", 404, body),
    ]);
    let expected = "Error while executing cluster link command: Cluster link 'no' does not exist.";
    fails(cluster_links(&server, &["--describe", "--link", "no"]), 1, expected);
    fails(cluster_links(&server, &["--delete", "--link", "no"]), 1, expected);
}

#[test]
fn delete_and_forced_delete() {
    let server = Server::start(&[
        ("DELETE /links/dr?force=false&validate_only=false", 200, ""),
        ("DELETE /links/dr?force=true&validate_only=false", 204, ""),
    ]);
    for words in [&["--delete", "--link", "dr"][..], &["--delete", "--link", "dr", "--force"]] {
        prints(cluster_links(&server, words), "Cluster link 'dr' deletion successfully completed.");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let binary = env!("CARGO_BIN_EXE_kafka-cluster-links");
    let help = run(binary, None, &["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    assert!(help.out.contains("--exclude-validate-link"), "{}", help.out);
    let version = run(binary, None, &["--version"]);
    assert_eq!(version.out, format!("kafka-cluster-links {} (Linkgate)\n", env!("CARGO_PKG_VERSION")));
    let nothing = run(binary, None, &[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (1, ""));
}

#[test]
fn secrets_leave_the_machine_unencrypted_only_if_allowed() {
    let server =
        Server::start(&[("POST /links?link_name=dr&validate_only=false&validate_link=true", 204, "")]);
    let words = |url: &'static str| {
        [
            "--create",
            "--link",
            "dr",
            "--config",
            "bootstrap.servers=s:9092,sasl.jaas.config=[x y]",
            "--rest-url",
            url,
        ]
    };
    // No server listens there: if the tool tried to send, it would report an unreachable server instead.
    let far = "http://192.0.2.1:8090";
    let ran = cluster_links(&server, &words(far));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.contains("sasl.jaas.config would be sent to http://192.0.2.1:8090 unencrypted"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("--allow-cleartext") && !ran.err.contains("x y"), "{}", ran.err);
    let near = ["--create", "--link", "dr", "--config", "bootstrap.servers=s:9092,sasl.jaas.config=[x y]"];
    assert_eq!(cluster_links(&server, &near).code, 0);
}

#[test]
fn configs_may_come_from_standard_input() {
    use std::io::Write as _;
    use std::process::Stdio;
    let server =
        Server::start(&[("POST /links?link_name=dr&validate_only=false&validate_link=true", 204, "")]);
    let words = ["--create", "--link", "dr", "--config-file", "-"];
    let mut tool = crate::run::command(env!("CARGO_BIN_EXE_kafka-cluster-links"), Some(&server.url), &words);
    let mut running = tool.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(b"bootstrap.servers=s:9092\nsasl.jaas.config=x y\n").unwrap();
    assert!(running.wait().unwrap().success());
    assert!(
        server.requests()[0].contains(r#"{"name":"sasl.jaas.config","value":"x y"}"#),
        "{:?}",
        server.requests()
    );
}
