use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Returns the error text for one config beside valid bootstrap servers.
fn refusal(name: &str, value: &str) -> String {
    let mut set = configs(&[("bootstrap.servers", "src:9092")]);
    drop(set.insert(name.to_owned(), value.to_owned()));
    describe_errors(&LinkConfig::parse(&set).expect_err(name))
}

#[test]
fn every_name_is_there_once_and_every_default_is_valid() {
    let mut names = BTreeSet::new();
    for def in all() {
        assert!(names.insert(def.name), "{} twice", def.name);
        assert!(!def.doc.is_empty(), "{} has no doc", def.name);
        if let Some(default) = def.default {
            assert_eq!(def.kind.check(default), Ok(()), "{}={default}", def.name);
        }
    }
    assert!(names.len() > 80);
}

#[test]
fn defaults_equal_confluents_except_retry_timeout_and_metadata_age() {
    let config = LinkConfig::parse(&configs(&[("bootstrap.servers", "a:1, b:2,")])).unwrap();
    assert_eq!(config.to_string(), "a:1,b:2");
    assert_eq!(config.retry_timeout, None);
    assert_eq!((config.availability_check, config.availability_failures), (Duration::from_secs(60), 5));
    assert!(!config.offset_sync.enabled && config.offset_sync.filters.is_none() && !config.paused);
    assert_eq!(config.offset_sync.period, Duration::from_secs(30));
    assert_eq!(config.topic_config_sync.period, Duration::from_secs(5));
    assert_eq!(config.topic_config_sync.include.len(), 26);
    assert_eq!((config.fetch.partition_bytes, config.fetch.response_bytes), (5_242_880, 10_485_760));
    assert_eq!(config.fetch.receive_buffer, None);
    assert_eq!(config.metadata_max_age, Duration::from_secs(3));
    assert_eq!(config.mirror_name("users"), "users");
    assert_eq!(config.start_offset, StartOffset::Earliest);
}

#[test]
fn values_are_typed() {
    let filters = r#"{"groupFilters":[{"name":"app","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;
    let config = LinkConfig::parse(&configs(&[
        ("bootstrap.servers", "src:9092"),
        ("cluster.link.prefix", "west."),
        ("consumer.group.prefix.enable", "TRUE"),
        ("consumer.offset.sync.enable", "true"),
        ("consumer.offset.sync.ms", " 5000 "),
        ("consumer.offset.group.filters", filters),
        ("connections.max.idle.ms", "-1"),
        ("link.mode", "destination"),
        ("sasl.jaas.config", "anything; at all"),
        ("security.protocol", "sasl_ssl"),
        ("ssl.truststore.location", "/ca.pem"),
        ("mirror.start.offset.spec", "2026-01-01T00:00:00Z"),
    ]))
    .unwrap();
    assert_eq!(config.mirror_name("users"), "west.users");
    assert!(config.offset_sync.enabled && config.offset_sync.prefix_groups);
    assert_eq!(config.offset_sync.period, Duration::from_secs(5));
    assert_eq!(config.security.get("security.protocol"), Some("sasl_ssl"));
    assert_eq!(config.security.get("bootstrap.servers"), None);
    let shown = format!("{config:?}");
    assert!(shown.contains("/ca.pem") && !shown.contains("anything"), "{shown}");
    assert!(config.offset_sync.filters.unwrap().matches("app"));
    assert_eq!(config.connections_max_idle, None);
    assert_eq!(config.start_offset, StartOffset::Timestamp(1_767_225_600_000));
}

#[test]
fn an_unknown_name_points_to_the_nearest_known_one() {
    assert_eq!(
        refusal("consumer.offset.sync.enabled", "true"),
        "Unknown link configuration 'consumer.offset.sync.enabled'. Did you mean 'consumer.offset.sync.enable'?"
    );
    assert_eq!(refusal("zzz", "1"), "Unknown link configuration 'zzz'.");
}

#[test]
fn unsupported_values_are_refused_with_the_reason() {
    for (name, value, part) in [
        ("link.mode", "BIDIRECTIONAL", "destination-initiated links only"),
        ("link.mode", "SOURCE", "destination-initiated links only"),
        ("connection.mode", "INBOUND", "connects to the source itself"),
        ("local.security.protocol", "SASL_SSL", "secured by the configuration of the daemon"),
        ("acl.sync.enable", "true", "does not copy ACLs"),
        ("auto.create.mirror.topics.enable", "true", "only on request"),
    ] {
        let sentence = refusal(name, value);
        assert!(sentence.contains(part) && sentence.contains(name), "{sentence}");
    }
    assert_eq!(
        refusal("link.mode", "SIDEWAYS"),
        "Invalid value SIDEWAYS for configuration link.mode: expected one of DESTINATION, SOURCE, BIDIRECTIONAL."
    );
}

#[test]
fn bad_values_are_refused() {
    for (name, value) in [
        ("bootstrap.servers", ""),
        ("bootstrap.servers", "src"),
        ("bootstrap.servers", "src:0"),
        ("num.cluster.link.fetchers", "0"),
        ("num.cluster.link.fetchers", "129"),
        ("consumer.offset.sync.ms", "999"),
        ("consumer.offset.sync.ms", "2147483648"),
        ("consumer.offset.sync.enable", "yes"),
        ("cluster.link.prefix", "thirteen-char"),
        ("cluster.link.prefix", "a b"),
        ("security.protocol", "TLS"),
        ("mirror.start.offset.spec", "newest"),
        ("mirror.start.offset.spec", "2026"),
        ("consumer.offset.group.filters", "{}"),
        ("auto.create.mirror.topics.filters", r#"{"topicFilters":[{}]}"#),
        ("acl.filters", "[]"),
        ("topic.config.sync.include", "retention.ms"),
        (
            "topic.config.sync.include",
            "cleanup.policy,max.message.bytes,message.timestamp.type,message.timestamp.difference.max.ms,\
             follower.replication.throttled.replicas",
        ),
    ] {
        assert!(refusal(name, value).contains(&format!("for configuration {name}: ")), "{name}={value}");
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = LinkConfig::parse(&configs(&[
        ("consumer.offset.sync.ms", "1"),
        ("nope", "1"),
        ("consumer.group.prefix.enable", "true"),
    ]))
    .unwrap_err();
    let names: Vec<&str> = errors.iter().map(|error| error.name.as_str()).collect();
    assert_eq!(
        names,
        ["consumer.offset.sync.ms", "nope", "bootstrap.servers", "consumer.group.prefix.enable"]
    );
}

/// Returns the row of a config in docs/link-configs.md.
fn row(def: &ConfigDef) -> String {
    let default = match def.default {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let altered = if def.dynamic { "yes" } else { "no" };
    let doc = if def.sensitive { format!("{} Secret: never shown.", def.doc) } else { def.doc.to_owned() };
    format!("| `{}` | {default} | {altered} | {doc} |", def.name)
}

#[test]
fn the_page_of_link_configs_has_every_config_and_no_other() {
    let page = include_str!("../../../../docs/link-configs.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    // The configs for the own cluster have the same names with a prefix, and no effect.
    let is_listed = |def: &&ConfigDef| {
        !def.name.starts_with("local.") || find(def.name.trim_start_matches("local.")).is_none()
    };
    let expected: Vec<String> = all().filter(is_listed).map(row).collect();
    assert!(page.contains("all `local.*`"));
    assert_eq!(rows, expected, "docs/link-configs.md should have these rows:\n{}\n", expected.join("\n"));
}

#[test]
fn conflicting_values_are_reported_and_a_recorded_link_works_with_the_nearest_valid_ones() {
    let with = |pairs: &[(&str, &str)]| {
        let mut set = configs(&[("bootstrap.servers", "src:9092")]);
        set.extend(configs(pairs));
        set
    };
    assert_eq!(conflicts(&with(&[])), []);
    let slow = with(&[("replica.fetch.wait.max.ms", "5000"), ("request.timeout.ms", "4000")]);
    assert!(describe_errors(&conflicts(&slow)).contains("request.timeout.ms=4000"));
    let config = LinkConfig::parse(&slow).unwrap();
    assert_eq!(
        (config.fetch.max_wait, config.fetch.timeout),
        (Duration::from_secs(2), Duration::from_secs(4))
    );
    let short = with(&[("default.api.timeout.ms", "1000")]);
    assert!(describe_errors(&conflicts(&short)).contains("request.timeout.ms=30000"));
    assert_eq!(LinkConfig::parse(&short).unwrap().api_timeout, Duration::from_secs(30));
    // If it is not set, the default follows the longer request timeout
    let long = with(&[("request.timeout.ms", "90000")]);
    assert_eq!(conflicts(&long), []);
    assert_eq!(LinkConfig::parse(&long).unwrap().api_timeout, Duration::from_secs(90));
}

#[test]
fn the_lowest_values_mean_never_or_the_system_default() {
    let typed = |name: &str, value: &str| {
        LinkConfig::parse(&configs(&[("bootstrap.servers", "src:9092"), (name, value)])).unwrap()
    };
    assert_eq!(typed("connections.max.idle.ms", "-1").connections_max_idle, None);
    assert_eq!(typed("connections.max.idle.ms", "0").connections_max_idle, Some(Duration::from_secs(1)));
    assert_eq!(typed("cluster.link.retry.timeout.ms", "0").retry_timeout, Some(Duration::ZERO));
    assert_eq!(typed("replica.socket.receive.buffer.bytes", "0").fetch.receive_buffer, None);
    assert_eq!(typed("replica.socket.receive.buffer.bytes", "65536").fetch.receive_buffer, Some(65_536));
}

#[test]
fn probe_periods_below_a_second_are_reported_but_a_recorded_link_works() {
    let configs = |ms: &str| {
        BTreeMap::from([
            ("bootstrap.servers".to_owned(), "src:9092".to_owned()),
            ("availability.check.ms".to_owned(), ms.to_owned()),
        ])
    };
    assert!(conflicts(&configs("1000")).is_empty());
    let found = conflicts(&configs("999"));
    assert!(found.len() == 1 && found[0].message.contains("at least 1000"), "{found:?}");
    assert!(LinkConfig::parse(&configs("1")).is_ok());
}
