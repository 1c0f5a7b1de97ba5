//! Decides which topic configs a mirror topic gets, keeps and gives back. Pure.
//!
//! There are three kinds of configs:
//! * **followed**: the names in `topic.config.sync.include`; their values follow the source;
//! * **owned**: those that Linkgate needs at fixed values so that the destination stores batches unchanged
//!   ([`OWNED`]); they get the source's value only when the topic stops being a mirror;
//! * **free**: all others; Linkgate does not change them.
//!
//! Broker versions differ in the names that they know (`message.timestamp.difference.max.ms` was removed in
//! 4.0), so a name is used only if the destination knows it.

use std::collections::{BTreeMap, BTreeSet};

use state::model::link_config::OWNED;

/// Kafka's value for unlimited timestamps.
const UNLIMITED: &str = "9223372036854775807";

const CLEANUP_POLICY: &str = "cleanup.policy";
const AFTER_MAX: &str = "message.timestamp.after.max.ms";
const BEFORE_MAX: &str = "message.timestamp.before.max.ms";
const DIFFERENCE_MAX: &str = "message.timestamp.difference.max.ms";
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// One config of a topic, from DescribeConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// The value in force.
    pub value: String,
    /// True if it is set on the topic itself, not inherited from broker or default.
    pub is_override: bool,
    /// The value that would be in force without the override, if known.
    pub inherited: Option<String>,
}

/// The configs of one topic, by name.
pub(crate) type TopicConfigs = BTreeMap<String, TopicConfig>;

/// One change for IncrementalAlterConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigChange {
    /// Name of the config.
    pub name: String,
    /// New value. `None` removes the override.
    pub value: Option<String>,
}

/// Returns the configs to create a mirror topic with. `local` holds the destination's defaults for a new
/// topic; its keys are the names that the destination knows. `own` is what the operator gave for this topic.
#[must_use]
pub(crate) fn at_creation(
    source: &TopicConfigs,
    local: &TopicConfigs,
    include: &BTreeSet<String>,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut chosen = own.clone();
    for (name, default) in local {
        if let Some(value) = owned_value(name, source, &default.value) {
            let _ = chosen.insert(name.clone(), value);
        } else if let Some(followed) = source.get(name).filter(|_| include.contains(name))
            && (followed.is_override || followed.value != default.value)
        {
            let _ = chosen.insert(name.clone(), followed.value.clone());
        }
    }
    chosen
}

/// Returns the changes for a mirror topic that continues to mirror.
#[must_use]
pub(crate) fn while_mirroring(
    source: &TopicConfigs,
    local: &TopicConfigs,
    include: &BTreeSet<String>,
) -> Vec<ConfigChange> {
    let wanted = |name: &String, present: &TopicConfig| {
        owned_value(name, source, &present.value).or_else(|| {
            source.get(name).filter(|_| include.contains(name)).map(|config| config.value.clone())
        })
    };
    local
        .iter()
        .filter_map(|(name, present)| wanted(name, present).map(|value| (name, present, value)))
        .filter(|(_, present, value)| present.value != *value)
        .map(|(name, _, value)| ConfigChange { name: name.clone(), value: Some(value) })
        .collect()
}

/// Returns the changes for a mirror topic that is about to become an ordinary one. Followed configs are
/// synced a last time, and owned configs get the source's value. If the destination would use that value
/// anyway, the override is removed.
#[must_use]
pub(crate) fn at_promote(
    source: &TopicConfigs,
    local: &TopicConfigs,
    include: &BTreeSet<String>,
) -> Vec<ConfigChange> {
    let mut changes = Vec::new();
    for (name, present) in local {
        let owned = OWNED.contains(&name.as_str());
        if !owned && !include.contains(name) {
            continue;
        }
        let change = match source_value(name, source, local) {
            Some(value) if value == present.value && !owned => continue,
            Some(value) if present.inherited.as_deref() == Some(value.as_str()) => None,
            Some(value) => Some(value),
            // The source's version does not know this config, so only the destination's default remains.
            None if owned => None,
            None => continue,
        };
        let in_force = change.is_none() && !present.is_override;
        if !in_force && change.as_ref() != Some(&present.value) {
            changes.push(ConfigChange { name: name.clone(), value: change });
        }
    }
    changes
}

/// Returns the changes that allow DeleteRecords on a compacted topic without any expiry, and the changes that
/// undo them. `None` if `cleanup.policy` includes `delete` already.
#[must_use]
pub(crate) fn trimmable(local: &TopicConfigs) -> Option<(Vec<ConfigChange>, Vec<ConfigChange>)> {
    let policy = local.get(CLEANUP_POLICY)?.value.as_str();
    if policy.split(',').any(|part| part.trim() == "delete") {
        return None;
    }
    let both = if policy.trim().is_empty() { "delete".to_owned() } else { format!("{policy},delete") };
    let wanted = [(CLEANUP_POLICY, both.as_str()), ("retention.bytes", "-1"), ("retention.ms", "-1")];
    let differ = |(name, value): &(&str, &str)| local.get(*name).is_some_and(|now| now.value != *value);
    let changes = wanted.into_iter().filter(differ).map(|(name, value)| {
        let before = local.get(name).filter(|now| now.is_override).map(|now| now.value.clone());
        (
            ConfigChange { name: name.to_owned(), value: Some(value.to_owned()) },
            ConfigChange { name: name.to_owned(), value: before },
        )
    });
    Some(changes.unzip())
}

/// Returns the values of the owned configs on a source, to be kept for the case that it cannot be asked.
#[must_use]
pub(crate) fn owned(source: &TopicConfigs) -> BTreeMap<String, String> {
    let owned = source.iter().filter(|(name, _)| OWNED.contains(&name.as_str()));
    owned.map(|(name, config)| (name.clone(), config.value.clone())).collect()
}

/// Returns the names among `given` that an operator must not set on a mirror topic, because Linkgate owns
/// them or they follow the source.
#[must_use]
pub(crate) fn locked<'a>(
    given: impl IntoIterator<Item = &'a String>,
    include: &BTreeSet<String>,
) -> Vec<&'a str> {
    given
        .into_iter()
        .filter(|name| OWNED.contains(&name.as_str()) || include.contains(*name))
        .map(String::as_str)
        .collect()
}

/// Returns the value that an owned config must have while the topic is mirrored, `None` if the config is not
/// owned.
fn owned_value(name: &str, source: &TopicConfigs, present: &str) -> Option<String> {
    match name {
        "compression.type" => Some("producer".to_owned()),
        "message.timestamp.type" => Some("CreateTime".to_owned()),
        AFTER_MAX | BEFORE_MAX | DIFFERENCE_MAX => Some(UNLIMITED.to_owned()),
        MAX_MESSAGE_BYTES => {
            let bytes = |text: &str| text.parse::<i64>().unwrap_or(0);
            let of_source = source.get(name).map_or("", |config| config.value.as_str());
            Some(if bytes(of_source) > bytes(present) { of_source } else { present }.to_owned())
        }
        _ => None,
    }
}

/// Returns the source's value of a config, in the destination's terms. Brokers before 4.0 fall back from the
/// before/after limits to `message.timestamp.difference.max.ms`, which a newer destination does not have.
fn source_value(name: &str, source: &TopicConfigs, local: &TopicConfigs) -> Option<String> {
    let value = |name: &str| source.get(name).map(|config| config.value.clone());
    match name {
        AFTER_MAX | BEFORE_MAX if !local.contains_key(DIFFERENCE_MAX) => value(name)
            .filter(|limit| limit != UNLIMITED)
            .or_else(|| value(DIFFERENCE_MAX))
            .or_else(|| value(name)),
        _ => value(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(value: &str) -> TopicConfig {
        TopicConfig { value: value.into(), is_override: false, inherited: Some(value.into()) }
    }

    fn overridden(value: &str, default: &str) -> TopicConfig {
        TopicConfig { value: value.into(), is_override: true, inherited: Some(default.into()) }
    }

    fn configs<const N: usize>(entries: [(&str, TopicConfig); N]) -> TopicConfigs {
        entries.into_iter().map(|(name, config)| (name.to_owned(), config)).collect()
    }

    fn include(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn set(name: &str, value: &str) -> ConfigChange {
        ConfigChange { name: name.into(), value: Some(value.into()) }
    }

    fn unset(name: &str) -> ConfigChange {
        ConfigChange { name: name.into(), value: None }
    }

    #[test]
    fn a_new_mirror_gets_the_owned_values_and_the_followed_values_that_differ() {
        let source = configs([
            ("cleanup.policy", overridden("compact", "delete")),
            ("compression.type", overridden("zstd", "producer")),
            ("max.message.bytes", inherited("2000000")),
            ("retention.ms", inherited("604800000")),
            ("segment.bytes", overridden("1048576", "1073741824")),
        ]);
        let local = configs([
            ("cleanup.policy", inherited("delete")),
            ("compression.type", inherited("producer")),
            ("max.message.bytes", inherited("1048588")),
            ("message.timestamp.after.max.ms", inherited("3600000")),
            ("message.timestamp.before.max.ms", inherited(UNLIMITED)),
            ("message.timestamp.type", inherited("LogAppendTime")),
            ("retention.ms", inherited("604800000")),
            ("segment.bytes", inherited("1073741824")),
        ]);
        let own = BTreeMap::from([("segment.ms".to_owned(), "1000".to_owned())]);

        let chosen = at_creation(&source, &local, &include(&["cleanup.policy", "retention.ms"]), &own);

        let expected: BTreeMap<String, String> = [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("max.message.bytes", "2000000"),
            ("message.timestamp.after.max.ms", UNLIMITED),
            ("message.timestamp.before.max.ms", UNLIMITED),
            ("message.timestamp.type", "CreateTime"),
            ("segment.ms", "1000"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn names_that_the_destination_does_not_know_are_left_out() {
        let source = configs([
            ("message.downconversion.enable", overridden("false", "true")),
            ("message.timestamp.difference.max.ms", overridden("1", UNLIMITED)),
        ]);
        let local = configs([("retention.ms", inherited("1"))]);
        let all = include(&["message.downconversion.enable", "message.timestamp.difference.max.ms"]);

        assert!(at_creation(&source, &local, &all, &BTreeMap::new()).is_empty());
        assert!(while_mirroring(&source, &local, &all).is_empty());
        assert!(at_promote(&source, &local, &all).is_empty());
    }

    #[test]
    fn only_differences_of_followed_configs_are_altered() {
        let source = configs([
            ("retention.ms", overridden("1000", "604800000")),
            ("segment.bytes", inherited("1073741824")),
            ("min.insync.replicas", overridden("2", "1")),
        ]);
        let local = configs([
            ("retention.ms", inherited("604800000")),
            ("segment.bytes", inherited("1073741824")),
            ("min.insync.replicas", inherited("1")),
        ]);

        let changes = while_mirroring(&source, &local, &include(&["retention.ms", "segment.bytes"]));

        assert_eq!(changes, [set("retention.ms", "1000")]);
    }

    #[test]
    fn owned_configs_do_not_follow_and_are_repaired() {
        let source = configs([
            ("compression.type", overridden("lz4", "producer")),
            ("message.timestamp.type", overridden("LogAppendTime", "CreateTime")),
            ("max.message.bytes", overridden("100", "1048588")),
        ]);
        let names = include(&["compression.type", "message.timestamp.type", "max.message.bytes"]);
        let right = configs([
            ("compression.type", overridden("producer", "producer")),
            ("message.timestamp.type", overridden("CreateTime", "CreateTime")),
            ("max.message.bytes", overridden("5000", "1048588")),
        ]);
        assert!(while_mirroring(&source, &right, &names).is_empty());

        let tampered = configs([("compression.type", overridden("gzip", "producer"))]);
        assert_eq!(while_mirroring(&source, &tampered, &names), [set("compression.type", "producer")]);
    }

    #[test]
    fn max_message_bytes_rises_with_the_source_and_never_falls() {
        let local = configs([("max.message.bytes", overridden("5000", "1048588"))]);
        let of = |value| configs([("max.message.bytes", overridden(value, "1048588"))]);
        let none = BTreeSet::new();
        assert_eq!(while_mirroring(&of("9000"), &local, &none), [set("max.message.bytes", "9000")]);
        assert!(while_mirroring(&of("10"), &local, &none).is_empty());
    }

    #[test]
    fn promote_gives_owned_configs_the_values_of_the_source() {
        let source = configs([
            ("compression.type", overridden("zstd", "producer")),
            ("max.message.bytes", inherited("1048588")),
            ("message.timestamp.after.max.ms", inherited(UNLIMITED)),
            ("message.timestamp.type", inherited("CreateTime")),
            ("retention.ms", overridden("1000", "604800000")),
        ]);
        let local = configs([
            ("compression.type", overridden("producer", "producer")),
            ("max.message.bytes", overridden("2000000", "1048588")),
            ("message.timestamp.after.max.ms", overridden(UNLIMITED, "3600000")),
            ("message.timestamp.difference.max.ms", overridden(UNLIMITED, UNLIMITED)),
            ("message.timestamp.type", overridden("CreateTime", "CreateTime")),
            ("retention.ms", overridden("500", "604800000")),
        ]);

        let changes = at_promote(&source, &local, &include(&["retention.ms"]));

        assert_eq!(
            changes,
            [
                set("compression.type", "zstd"),
                unset("max.message.bytes"),
                unset("message.timestamp.difference.max.ms"),
                unset("message.timestamp.type"),
                set("retention.ms", "1000"),
            ]
        );
    }

    #[test]
    fn promote_twice_changes_nothing_the_second_time() {
        let source = configs([
            ("compression.type", overridden("zstd", "producer")),
            ("max.message.bytes", inherited("1048588")),
        ]);
        let after_first = configs([
            ("compression.type", overridden("zstd", "producer")),
            ("max.message.bytes", inherited("1048588")),
        ]);
        assert!(at_promote(&source, &after_first, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn the_old_timestamp_limit_becomes_the_two_new_ones() {
        let source = configs([
            ("message.timestamp.after.max.ms", inherited(UNLIMITED)),
            ("message.timestamp.before.max.ms", overridden("7", UNLIMITED)),
            ("message.timestamp.difference.max.ms", overridden("5", UNLIMITED)),
        ]);
        let local = configs([
            ("message.timestamp.after.max.ms", overridden(UNLIMITED, "3600000")),
            ("message.timestamp.before.max.ms", overridden(UNLIMITED, UNLIMITED)),
        ]);
        assert_eq!(
            at_promote(&source, &local, &BTreeSet::new()),
            [set("message.timestamp.after.max.ms", "5"), set("message.timestamp.before.max.ms", "7")]
        );
    }

    #[test]
    fn a_compacted_topic_is_trimmed_without_expiry_and_gets_its_configs_back() {
        let local = configs([
            ("cleanup.policy", overridden("compact", "delete")),
            ("retention.bytes", inherited("-1")),
            ("retention.ms", inherited("604800000")),
        ]);
        let (open, back) = trimmable(&local).unwrap();
        assert_eq!(open, [set("cleanup.policy", "compact,delete"), set("retention.ms", "-1")]);
        assert_eq!(back, [set("cleanup.policy", "compact"), unset("retention.ms")]);
        let deleting = configs([("cleanup.policy", overridden("compact, delete", "delete"))]);
        assert_eq!(trimmable(&deleting), None);
    }

    #[test]
    fn an_operator_may_set_only_free_configs() {
        let given: Vec<String> = ["compression.type", "retention.ms", "segment.ms"].map(str::to_owned).into();
        assert_eq!(locked(&given, &include(&["retention.ms"])), ["compression.type", "retention.ms"]);
    }
}
