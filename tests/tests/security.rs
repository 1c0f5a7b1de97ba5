//! TLS, SASL and authorizers on real brokers, on both sides of Linkgate.

#[path = "security/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::kafka::access::{Operation, Resource, allow};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::{self, Kind};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;

use stage::{PASSWORD, REAUTHENTICATION, Stage, allow_mirror, jaas, run};

const LINK: &str = "secured";

/// Waits until the mirror has all offsets of the source, and compares the records.
fn wait_caught_up(stage: &Stage, topic: &str) {
    until(&format!("{topic} has caught up"), LONG, || {
        let want = stage.source.admin().offsets(topic, LATEST);
        (stage.destination.admin().offsets(topic, LATEST) == want).then_some(())
    });
    read::assert_same(&stage.source.direct_bootstrap(), topic, &stage.destination.direct_bootstrap(), topic);
}

fn assert_no_secret(stage: &Stage, more: &str) {
    let log = stage.linkgate.log();
    for text in [log.as_str(), more] {
        let at = text.find("sesame").map(|at| &text[at.saturating_sub(200)..(at + 50).min(text.len())]);
        assert!(at.is_none(), "a secret is shown: {at:?}");
    }
}

#[test]
fn clients_and_links_are_authorised_as_without_the_gateway() {
    // Given two clusters with authorizers, and an application that may read and write `orders`
    let stage = Stage::start("security");
    let direct = stage.destination.direct_bootstrap();
    stage.destination.admin().create_topic("orders", 3, &[]);
    stage.destination.admin().create_topic("private", 1, &[]);
    allow(&direct, "User:app", Resource::Topic("orders"), &[Operation::Write, Operation::Read]);
    allow(&direct, "User:app", Resource::Topic("flights"), &[Operation::Read, Operation::Write]);
    allow(&direct, "User:app", Resource::Group("secured"), &[Operation::Read]);

    // When it writes and reads through the gateway, then it is served as its own user
    let app = stage.client(&stage.linkgate.bootstrap(), "SCRAM-SHA-512", "app", PASSWORD);
    let said = run(&app, "orders", &["--write", "300", "--read", "300"]);
    assert_eq!((&said["written"], &said["read"]), (&300.into(), &300.into()), "{said}");

    // And forbidden requests and wrong passwords are refused with the same errors as at the brokers
    let past = stage.client(&stage.destination.bootstrap(), "SCRAM-SHA-512", "app", PASSWORD);
    let refused = run(&app, "private", &["--write", "3"]);
    assert_eq!(refused["refused"], serde_json::json!(["TOPIC_AUTHORIZATION_FAILED"]), "{refused}");
    assert_eq!(refused, run(&past, "private", &["--write", "3"]));
    let read = run(&app, "private", &["--read", "1"]);
    assert_eq!(read["refused"], run(&past, "private", &["--read", "1"])["refused"], "{read}");
    let impostor = |bootstrap: &str| {
        let client = stage.client(bootstrap, "SCRAM-SHA-512", "app", "open barley");
        run(&client, "orders", &["--read", "1"])
    };
    let through = impostor(&stage.linkgate.bootstrap());
    assert!(through["said"].to_string().contains("_AUTHENTICATION"), "{through}");
    assert_eq!(through, impostor(&stage.destination.bootstrap()));

    // Given a source topic, when a link is created with a wrong password, an untrusted certificate or a JKS
    // file, then it is refused with the cause
    stage.source.admin().create_topic("flights", 2, &[]);
    produce::send(&stage.source.direct_bootstrap(), "flights", Kind::idempotent("lz4"), 500);
    let (trust, source) = (stage.authority.trust(), stage.source.bootstrap());
    let right = jaas("scram.ScramLoginModule", "mirror", PASSWORD);
    let wrong = jaas("scram.ScramLoginModule", "mirror", "open barley");
    let configs = |jaas: &str| {
        [
            ("bootstrap.servers", source.clone()),
            ("security.protocol", "SASL_SSL".into()),
            ("ssl.truststore.location", trust.clone()),
            ("sasl.mechanism", "SCRAM-SHA-512".into()),
            ("sasl.jaas.config", jaas.to_owned()),
            ("consumer.offset.sync.enable", "true".into()),
            ("consumer.offset.sync.ms", "1000".into()),
            ("consumer.offset.group.filters", GROUPS.into()),
        ]
    };
    let create = |file: &str, configs: &[(&str, String)]| {
        let configs: Vec<(&str, &str)> = configs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let file = stage.link_file(file, &configs);
        stage.linkgate.cluster_links(&["--create", "--link", LINK, "--config-file", &file])
    };
    let refused = create("wrong", &configs(&wrong));
    assert!(refused.code != 0 && refused.all().contains("SASL_AUTHENTICATION_FAILED"), "{}", refused.all());
    let mut untrusting = configs(&right);
    untrusting[2].1 = stage.authority.identity("stranger");
    std::fs::write(
        &untrusting[2].1,
        linkgate_tests::kafka::certificates::Authority::new(stage.linkgate.dir()).trust_text(),
    )
    .expect("writable");
    let refused = create("untrusting", &untrusting);
    assert!(refused.code != 0 && refused.all().contains("UnknownIssuer"), "{}", refused.all());
    let mut jks = configs(&right);
    jks[2] = ("ssl.keystore.location", "/etc/store.jks".into());
    std::fs::write(stage.certificates.path().join("store.jks"), [0xfe, 0xed, 0xfe, 0xed]).expect("writable");
    jks[2].1 = stage.certificates.path().join("store.jks").display().to_string();
    let refused = create("jks", &jks);
    assert!(refused.code != 0 && refused.all().contains("keytool -importkeystore"), "{}", refused.all());

    // When the link has the right credentials, then it mirrors records and group offsets
    let _ = create("right", &configs(&right)).success("kafka-cluster-links --create");
    let made = stage.linkgate.mirrors(&["--create", "--mirror-topic", "flights", "--link", LINK]);
    let _ = made.success("kafka-mirrors --create");
    wait_caught_up(&stage, "flights");
    stage.source.admin().commit("secured-offsets", &[("flights", 0, 5)]);
    until("the group's offset is synced", LONG, || {
        let synced = stage.destination.admin().group_offsets("secured-offsets");
        (synced.get(&("flights".to_owned(), 0)) == Some(&5)).then_some(())
    });

    // And the application reads the mirror, but cannot write to it before the promote
    let said = run(&app, "flights", &["--read", "500"]);
    assert_eq!(said["read"], 500, "{said}");
    let refused = run(&app, "flights", &["--write", "1"]);
    assert_eq!(refused["written"], 0, "{refused}");
    nothing_is_smuggled(&stage);
    let _ = stage.linkgate.mirrors(&["--promote", "--topics", "flights"]).success("promote");
    stage.linkgate.wait_status(LINK, "flights", "STOPPED");
    let said = run(&app, "flights", &["--write", "10"]);
    assert_eq!(said["written"], 10, "{said}");

    // And a new certificate of the gateway is in force without a restart, a broken one is not
    let reloads = |outcome: &str| {
        let labels = format!("{{side=\"listener\",outcome=\"{outcome}\"}}");
        stage.linkgate.metric(&format!("linkgate_gateway_certificate_reloads_total{labels}"))
    };
    let file = stage.authority.identity("gateway");
    until("the new certificate is taken over", LONG, || (reloads("reloaded") >= 1.0).then_some(()));
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nhalf").expect("writable");
    until("the broken certificate is refused", LONG, || (reloads("failed") >= 1.0).then_some(()));
    let said = run(&app, "flights", &["--write", "1"]);
    assert_eq!(said["written"], 1, "{said}");
    assert!(stage.linkgate.log().contains("the previous ones stay in force"));

    // And no secret is shown anywhere
    let shown = [
        stage.linkgate.cluster_links(&["--describe", "--link", LINK]).all(),
        stage.linkgate.linkctl(&["link", "configs", "list", LINK]).all(),
        stage
            .linkgate
            .get(&format!("/kafka/v3/clusters/{}/links/{LINK}/configs", stage.linkgate.cluster_id()))
            .1
            .to_string(),
    ];
    assert!(shown[2].contains("sasl.jaas.config"), "{}", shown[2]);
    assert_no_secret(&stage, &shown.concat());
}

/// Given an authenticated client, of a user that may write to the topic after the promote, when it sends
/// requests in the place of SASL tokens, then the gateway reads them like all other requests.
fn nothing_is_smuggled(stage: &Stage) {
    let mut gateway = stage.linkgate.bootstrap();
    let (trust, own) = (stage.authority.trust(), stage.destination.bootstrap());
    let end = stage.destination.admin().offsets("flights", LATEST);
    // The listener of broker 1, which leads everything.
    if let Some((host, port)) = gateway.clone().rsplit_once(':') {
        gateway = format!("{host}:{}", port.parse::<u16>().expect("a port") + 2);
    }
    let args =
        ["--at", &gateway, "--topic", "flights", "--ca", &trust, "--user", "app", "--password", PASSWORD];
    let said = linkgate_tests::client::python::json("smuggle.py", &args, LONG);
    assert_eq!(said["authenticated"], 0, "{said}");
    assert_eq!(said["handshakes"], serde_json::json!([34, 34, 34, 34]), "{said}");
    assert_eq!(said["produced"], serde_json::json!([42, 42]), "{said}");
    let addresses = said["addresses"].as_array().expect("addresses");
    assert!(
        addresses.len() == 3 && addresses.iter().all(|address| *address != own.as_str()),
        "{said}, {own}"
    );
    assert_eq!(stage.destination.admin().offsets("flights", LATEST), end);
}

const GROUPS: &str =
    r#"{"groupFilters":[{"name":"secured-offsets","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;

/// Alters configs of the link. Returns the status and the body of the REST response.
fn alter(stage: &Stage, configs: &[(&str, &str)]) -> (u16, String) {
    let path = format!("/kafka/v3/clusters/{}/links/{LINK}/configs:alter", stage.linkgate.cluster_id());
    let data: Vec<_> = configs
        .iter()
        .map(|(name, value)| serde_json::json!({"name": name, "value": value, "operation": "SET"}))
        .collect();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LONG)).build().into();
    let url = format!("{}{path}", stage.linkgate.rest_url());
    let mut answer =
        agent.put(&url).send_json(serde_json::json!({ "data": data })).expect("the REST API answers");
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
}

#[test]
fn every_sasl_mechanism_mirrors_and_reauthenticates() {
    // Given a link over SASL_SSL with PLAIN
    let stage = Stage::start("mechanisms");
    let topic = "events";
    stage.source.admin().create_topic(topic, 2, &[]);
    for principal in ["User:bearer", "User:CN=link"] {
        allow_mirror(&stage.source.direct_bootstrap(), principal);
    }
    let (trust, source) = (stage.authority.trust(), stage.source.bootstrap());
    let plain = jaas("plain.PlainLoginModule", "mirror", PASSWORD);
    let file = stage.link_file(
        "plain",
        &[
            ("bootstrap.servers", &source),
            ("security.protocol", "SASL_SSL"),
            ("ssl.truststore.location", &trust),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", &plain),
        ],
    );
    let made = stage.linkgate.cluster_links(&["--create", "--link", LINK, "--config-file", &file]);
    let _ = made.success("kafka-cluster-links --create");
    let made = stage.linkgate.mirrors(&["--create", "--mirror-topic", topic, "--link", LINK]);
    let _ = made.success("kafka-mirrors --create");
    produce::send(&stage.source.direct_bootstrap(), topic, Kind::plain("none"), 100);
    wait_caught_up(&stage, topic);

    // When the link uses each of the other mechanisms, then it goes on mirroring
    let scram = jaas("scram.ScramLoginModule", "mirror", PASSWORD);
    let bearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                  unsecuredLoginStringClaim_sub=\"bearer\";";
    let (mutual, identity) = (stage.source.mutual_bootstrap(), stage.authority.identity("link"));
    let ways: [&[(&str, &str)]; 3] = [
        &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.jaas.config", bearer)],
        &[("bootstrap.servers", &mutual), ("security.protocol", "SSL"), ("ssl.keystore.location", &identity)],
        &[
            ("bootstrap.servers", &source),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.jaas.config", &scram),
        ],
    ];
    for way in ways {
        let (status, body) = alter(&stage, way);
        assert_eq!(status, 204, "{way:?}: {body}");
        produce::send(&stage.source.direct_bootstrap(), topic, Kind::plain("none"), 100);
        wait_caught_up(&stage, topic);
    }
    let (status, body) = alter(&stage, &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", &scram)]);
    assert_eq!(status, 400);
    assert!(body.contains("needs the login module"), "{body}");
    // And a stored secret is not used with another mechanism: the change needs it again
    let (status, body) = alter(&stage, &[("sasl.mechanism", "PLAIN")]);
    assert_eq!(status, 400);
    assert!(body.contains("give sasl.jaas.config again"), "{body}");

    // And over several lifetimes of an authentication neither the engine nor a client loses a connection
    let ticks = Ticks::start(&stage);
    let connected = || stage.linkgate.log().matches("fetching from source broker").count();
    let closed = || stage.linkgate.metric("linkgate_gateway_closed_connections_total");
    let exchanges = || stage.linkgate.metric("linkgate_gateway_requests_total{api=\"SaslAuthenticate\"}");
    let before = (connected(), closed(), exchanges());
    let begin = Instant::now();
    while begin.elapsed() < REAUTHENTICATION * 4 {
        produce::send(&stage.source.direct_bootstrap(), topic, Kind::plain("none"), 10);
        produce::send(&stage.destination.direct_bootstrap(), "ticks", Kind::plain("none"), 1);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!((connected(), closed()), (before.0, before.1), "{}", stage.linkgate.log());
    assert!(exchanges() >= before.2 + 6.0, "{} exchanges, {} before", exchanges(), before.2);
    wait_caught_up(&stage, topic);
    ticks.finish(&stage);

    // And clients of every mechanism are served through the gateway
    let direct = stage.destination.direct_bootstrap();
    allow(&direct, "User:app", Resource::Group("ticks-again"), &[Operation::Read]);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
        let mut client = stage.client(&stage.linkgate.bootstrap(), mechanism, "app", PASSWORD);
        if mechanism == "OAUTHBEARER" {
            client["enable.sasl.oauthbearer.unsecure.jwt"] = "true".into();
            client["sasl.oauthbearer.config"] = "principal=app".into();
        }
        let said = run(&client, "ticks", &["--read", "5", "--group", "ticks-again"]);
        assert_eq!(said["read"], 5, "{mechanism}: {said}");
        stage.destination.admin().commit("ticks-again", &[("ticks", 0, 0)]);
    }
    assert_no_secret(&stage, "");
}

#[test]
fn mutual_tls_is_terminated_at_the_gateway_and_used_again_to_the_brokers() {
    // Given a gateway that requires client certificates, and shows its own to the brokers
    let stage = Stage::start("mutual");
    let direct = stage.destination.direct_bootstrap();
    stage.destination.admin().create_topic("shared", 1, &[]);
    allow(&direct, "User:CN=gateway", Resource::Topic("*"), &[Operation::Read, Operation::Write]);
    allow(&direct, "User:CN=gateway", Resource::Group("*"), &[Operation::Read]);
    let (gateway, trust) = (stage.authority.identity("gateway"), stage.authority.trust());
    let mut linkgate = Linkgate::prepare_listening(
        "SSL",
        WorkDir::new("mutual-gateway"),
        &stage.destination.mutual_bootstrap(),
        &[
            ("listener.name.ssl.ssl.keystore.location", &gateway),
            ("listener.name.ssl.ssl.truststore.location", &trust),
            ("listener.name.ssl.ssl.client.auth", "required"),
            ("security.protocol", "SSL"),
            ("ssl.keystore.location", &gateway),
            ("ssl.truststore.location", &trust),
        ],
    );
    linkgate.launch();
    linkgate.wait_ready();

    // When clients connect with a certificate, with one of another authority, and without one
    let app = stage.authority.identity("app");
    let client = |identity: Option<&str>| {
        let mut config = serde_json::json!({
            "bootstrap.servers": linkgate.bootstrap(), "security.protocol": "SSL", "ssl.ca.location": trust,
        });
        if let Some(identity) = identity {
            config["ssl.certificate.location"] = identity.into();
            config["ssl.key.location"] = identity.into();
        }
        config
    };
    let stranger = WorkDir::new("mutual-stranger");
    let stranger = linkgate_tests::kafka::certificates::Authority::new(stranger.path()).identity("app");

    // Then the first is served, with the principal of the gateway, and the others are not
    let said = run(&client(Some(&app)), "shared", &["--write", "10", "--read", "10"]);
    assert_eq!((&said["written"], &said["read"]), (&10.into(), &10.into()), "{said}");
    for identity in [Some(stranger.as_str()), None] {
        let said = run(&client(identity), "shared", &["--write", "1"]);
        assert_eq!(said["written"], 0, "{said}");
        // A client of TLS 1.3 completes its handshake before the server refuses the certificate.
        assert!(said["said"].to_string().contains("_ALL_BROKERS_DOWN"), "{said}");
    }
    assert!(linkgate.metric("linkgate_gateway_closed_connections_total{cause=\"tls_handshake\"}") >= 2.0);
}

/// A Java consumer behind the gateway that ends after [`ENOUGH`] records.
struct Ticks(std::thread::JoinHandle<linkgate_tests::machine::process::Output>);

/// Number of records that the consumer reads before it ends.
const ENOUGH: usize = 1_000;

impl Ticks {
    /// Starts the consumer and waits until it has committed.
    fn start(stage: &Stage) -> Ticks {
        let direct = stage.destination.direct_bootstrap();
        stage.destination.admin().create_topic("ticks", 1, &[]);
        allow(&direct, "User:app", Resource::Topic("ticks"), &[Operation::Read]);
        allow(&direct, "User:app", Resource::Group("ticks"), &[Operation::Read]);
        produce::send(&direct, "ticks", Kind::plain("none"), 5);
        let (trust, login) = (stage.authority.trust(), jaas("scram.ScramLoginModule", "app", PASSWORD));
        let file = stage.link_file(
            "consumer",
            &[
                ("security.protocol", "SASL_SSL"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &trust),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.jaas.config", &login),
                ("auto.offset.reset", "earliest"),
                ("auto.commit.interval.ms", "500"),
            ],
        );
        let (tools, bootstrap) = (stage.destination.tools(), stage.linkgate.bootstrap());
        let consumer = std::thread::spawn(move || {
            let enough = ENOUGH.to_string();
            let args = ["--consumer.config", &file, "--group", "ticks", "--max-messages", &enough];
            tools.console_consumer(&bootstrap, "ticks", &args)
        });
        until("the Java consumer commits what it has read", LONG, || {
            let committed = stage.destination.admin().group_offsets("ticks");
            (committed.get(&("ticks".to_owned(), 0)).copied() >= Some(5)).then_some(())
        });
        Ticks(consumer)
    }

    fn finish(self, stage: &Stage) {
        produce::send(&stage.destination.direct_bootstrap(), "ticks", Kind::plain("none"), ENOUGH);
        let output = self.0.join().expect("the consumer's thread").success("console consumer");
        assert!(
            output.all().contains(&format!("Processed a total of {ENOUGH} messages")),
            "{}",
            output.all()
        );
    }
}
