use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The sentence for one config beside valid bootstrap servers.
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
fn defaults_are_confluents() {
    let config = LinkConfig::parse(&configs(&[("bootstrap.servers", "a:1, b:2,")])).unwrap();
    assert_eq!(config.to_string(), "a:1,b:2");
    assert_eq!(config.retry_timeout, Duration::from_secs(300));
    assert_eq!((config.availability_check, config.availability_failures), (Duration::from_secs(60), 5));
    assert!(!config.offset_sync.enabled && config.offset_sync.filters.is_none() && !config.paused);
    assert_eq!(config.offset_sync.period, Duration::from_secs(30));
    assert_eq!(config.topic_config_sync.period, Duration::from_secs(5));
    assert_eq!(config.topic_config_sync.include.len(), 26);
    assert_eq!((config.fetch.partition_bytes, config.fetch.response_bytes), (5_242_880, 10_485_760));
    assert_eq!(config.fetch.receive_buffer, None);
    assert_eq!(config.metadata_max_age, Duration::from_secs(300));
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
fn what_is_not_done_yet_is_refused_with_the_reason() {
    for (name, value, part) in [
        ("link.mode", "BIDIRECTIONAL", "destination-initiated links only"),
        ("link.mode", "SOURCE", "destination-initiated links only"),
        ("connection.mode", "INBOUND", "connects to the source itself"),
        ("local.security.protocol", "SASL_SSL", "secured by the configuration of the daemon"),
        ("acl.sync.enable", "true", "does not copy ACLs"),
        ("auto.create.mirror.topics.enable", "true", "only when asked"),
        ("num.cluster.link.fetchers", "4", "one fetcher"),
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
fn all_errors_come_at_once() {
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
