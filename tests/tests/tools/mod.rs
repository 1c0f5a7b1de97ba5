//! Work that every tool must be able to do through the gateway, with any broker version.

use std::process::Command;
use std::time::Duration;

use linkgate_tests::client::python;
use linkgate_tests::kafka::Version;
use linkgate_tests::machine::process::{Output, run};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

/// Given a destination of two brokers, when tools and clients know only the address of the gateway, then each
/// does its work.
pub(crate) fn ordinary_topics(version: Version) {
    let pair = Pair::start("tools", version, 1, 2);
    let tools = pair.destination.tools();
    let gateway = pair.linkgate.bootstrap();

    // No client learns the address of a broker: broker n is at the bootstrap port + 1 + n.
    let port: u16 = gateway.rsplit(':').next().unwrap().parse().unwrap();
    let shown: Vec<String> = pair.gateway().brokers().unwrap().into_values().collect();
    assert_eq!(shown, [format!("127.0.0.1:{}", port + 2), format!("127.0.0.1:{}", port + 3)]);

    let made = tools
        .topics(&gateway, &["--create", "--topic", "t", "--partitions", "2", "--replication-factor", "2"]);
    assert!(made.success("kafka-topics --create").stdout.contains("Created topic t."));
    let listed = tools.topics(&gateway, &["--list"]).success("kafka-topics --list").stdout;
    assert!(listed.lines().any(|line| line == "t"), "{listed}");
    let described =
        tools.topics(&gateway, &["--describe", "--topic", "t"]).success("kafka-topics --describe").stdout;
    assert!(described.contains("PartitionCount: 2"), "{described}");

    let altered =
        ["--alter", "--entity-type", "topics", "--entity-name", "t", "--add-config", "retention.ms=3600000"];
    let _ = tools.configs(&gateway, &altered).success("kafka-configs --alter");
    let described = ["--describe", "--entity-type", "topics", "--entity-name", "t"];
    let described = tools.configs(&gateway, &described).success("kafka-configs --describe").stdout;
    assert!(described.contains("retention.ms=3600000"), "{described}");

    let input: String = (0..50).map(|n| format!("k{n}:v{n}\n")).collect();
    let keyed = ["--property", "parse.key=true", "--property", "key.separator=:"];
    let _ = tools.console_producer(&gateway, "t", &keyed, &input).success("console producer");
    let read = ["--from-beginning", "--max-messages", "50", "--timeout-ms", "60000", "--group", "console"];
    let read = tools.console_consumer(&gateway, "t", &read).success("console consumer").stdout;
    assert_eq!(read.lines().filter(|line| line.starts_with('v')).count(), 50, "{read}");

    let offsets = tools.get_offsets(&gateway, &["--topic", "t"]).success("kafka-get-offsets").stdout;
    let total: i64 =
        offsets.lines().filter_map(|line| line.rsplit(':').next()?.trim().parse::<i64>().ok()).sum();
    assert_eq!(total, 50, "{offsets}");
    let listed = tools.consumer_groups(&gateway, &["--list"]).success("kafka-consumer-groups --list").stdout;
    assert!(listed.lines().any(|line| line.trim() == "console"), "{listed}");
    let described = tools.consumer_groups(&gateway, &["--describe", "--group", "console"]);
    let described = described.success("kafka-consumer-groups --describe").stdout;
    assert_eq!(described.lines().filter(|line| line.starts_with("console ")).count(), 2, "{described}");
    let reset = ["--reset-offsets", "--group", "console", "--topic", "t", "--to-earliest", "--execute"];
    let _ = tools.consumer_groups(&gateway, &reset).success("kafka-consumer-groups --reset-offsets");
    let reset = pair.destination.admin().group_offsets("console");
    assert!(reset.len() == 2 && reset.values().all(|offset| *offset == 0), "{reset:?}");

    let metadata = kcat(&["-b", &gateway, "-L"], "").success("kcat -L").stdout;
    for broker in pair.destination.bootstrap().split(',') {
        assert!(!metadata.contains(broker), "kcat learned {broker}:\n{metadata}");
    }
    let _ = kcat(&["-b", &gateway, "-P", "-t", "t", "-K", ":"], "kc:at\n").success("kcat -P");
    let read =
        kcat(&["-b", &gateway, "-C", "-t", "t", "-o", "beginning", "-e", "-q"], "").success("kcat -C").stdout;
    assert_eq!(read.lines().count(), 51, "{read}");

    for client in ["roundtrip_confluent.py", "roundtrip_kafka_python.py"] {
        let topic = client.trim_end_matches(".py").replace('_', "-");
        pair.destination.admin().create_topic(&topic, 2, &[]);
        let said = python::json(client, &["--bootstrap", &gateway, "--topic", &topic], LONG);
        assert_eq!(said["read"], 300, "{client}: {said}");
    }
    let _ = tools.topics(&gateway, &["--delete", "--topic", "t"]).success("kafka-topics --delete");
    until("the topic is gone", LONG, || {
        (!pair.destination.admin().topics().contains(&"t".to_owned())).then_some(())
    });
}

/// Given a mirror topic with transactions, when clients read it through the gateway, then each sees the
/// committed records, and none may write.
pub(crate) fn mirror_topics(version: Version) {
    let pair = Pair::start("tools-mirror", version, 1, 1);
    let tools = pair.destination.tools();
    let gateway = pair.linkgate.bootstrap();
    pair.link("");
    pair.mirror_topic("m", 1, &[]);
    let source = pair.source.bootstrap();
    send(&source, "m", Kind::idempotent("lz4"), 40);
    // Three of ten transactions are aborted; markers are between them and at the end.
    send(&source, "m", Kind::transactional("zstd", 6), 60);
    pair.assert_mirrored("m");
    // 40 plain records, and those of transactions 1, 2, 4, 5, 7, 8 and 10.
    let committed = 40 + 7 * 6;

    let read = ["--from-beginning", "--max-messages", &committed.to_string(), "--timeout-ms", "60000"];
    let read = tools.console_consumer(&gateway, "m", &read).success("console consumer").stdout;
    assert_eq!(read.lines().filter(|line| line.starts_with('{')).count(), committed, "{read}");
    let read =
        kcat(&["-b", &gateway, "-C", "-t", "m", "-o", "beginning", "-e", "-q"], "").success("kcat -C").stdout;
    assert_eq!(read.lines().count(), committed, "{read}");
    for client in ["confluent", "kafka_python"] {
        let args = ["--bootstrap", gateway.as_str(), "--topic", "m", "--count", &committed.to_string()];
        let said = python::json(&format!("read_{client}.py"), &args, LONG);
        assert_eq!(said["read"], committed, "{client}: {said}");
    }
    let end = tools.get_offsets(&gateway, &["--topic", "m"]).success("kafka-get-offsets").stdout;
    assert_eq!(end.trim(), format!("m:0:{}", 100 + 10), "{end}");

    let expected = "InvalidRequestException: Cannot append records to read-only mirror topic 'm'";
    let refused = tools.console_producer(&gateway, "m", &[], "no\n").all();
    assert!(refused.contains(expected), "{refused}");
    let refused = kcat(&["-b", &gateway, "-P", "-t", "m"], "no\n");
    assert!(refused.code != 0 || refused.all().contains("Invalid request"), "{refused:?}");

    // A Produce with acks=0 has no response: the gateway drops and counts it.
    let before = pair.destination.admin().offsets("m", linkgate_tests::client::admin::LATEST);
    let dropped = ["--request-required-acks", "0"];
    let _ = tools.console_producer(&gateway, "m", &dropped, "lost\n");
    until("the dropped write is counted", LONG, || {
        (pair.linkgate.metric("linkgate_gateway_dropped_writes_total") >= 1.0).then_some(())
    });
    assert_eq!(pair.destination.admin().offsets("m", linkgate_tests::client::admin::LATEST), before);

    assert_eq!(pair.linkgate.status(LINK, "m"), "ACTIVE");
}

fn kcat(args: &[&str], input: &str) -> Output {
    let mut command = Command::new("kcat");
    command.args(args);
    run(command, input.as_bytes(), Duration::from_secs(60))
}
