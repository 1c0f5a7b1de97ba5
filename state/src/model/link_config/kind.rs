//! Checks the values of link configs.

use super::start_offset::StartOffset;
use super::topic_configs::{ALWAYS_SYNCED, is_syncable};
use crate::model::HostPort;
use crate::model::filter::{self, NameFilters};

/// Maximum length of the prefix of mirror topic names, in characters.
const MAX_PREFIX: usize = 12;

/// Type and range of the values of a config.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number of at least this value.
    Int(i32),
    /// A 32-bit number between these two, inclusive.
    IntBetween(i32, i32),
    /// A 64-bit number of at least this value.
    Long(i64),
    /// Any text.
    Text,
    /// Comma-separated list of `host:port`, at least one.
    HostPorts,
    /// A topic name prefix.
    Prefix,
    /// Comma-separated names of syncable topic configs.
    TopicConfigs,
    /// Group filters as JSON.
    GroupFilters,
    /// Topic filters as JSON.
    TopicFilters,
    /// ACL filters as JSON.
    AclFilters,
    /// `earliest`, `latest` or a timestamp.
    StartOffset,
    /// One of these values, in upper or lower case.
    OneOf(&'static [&'static str]),
    /// Kafka knows several values, but this version supports only one.
    OnlyOne {
        /// The supported value.
        only: &'static str,
        /// All values that Kafka knows. Empty if they cannot be listed.
        valid: &'static [&'static str],
        /// Reason why the others are not supported, as a sentence without a full stop.
        why: &'static str,
    },
}

impl Kind {
    /// Returns Kafka's name of the type (`BOOLEAN`, `INT`, `LONG`, `LIST`, `STRING`).
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Int(_) | Kind::IntBetween(..) => "INT",
            Kind::Long(_) => "LONG",
            Kind::HostPorts | Kind::TopicConfigs => "LIST",
            _ => "STRING",
        }
    }

    /// Checks a value. The error is the end of a sentence.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        let value = value.trim();
        match self {
            Kind::Text => Ok(()),
            Kind::Boolean => boolean(value).map(drop).ok_or_else(|| "expected true or false".into()),
            Kind::Int(least) => number(value, least.into(), i32::MAX.into()),
            Kind::IntBetween(least, most) => number(value, least.into(), most.into()),
            Kind::Long(least) => number(value, least, i64::MAX),
            Kind::HostPorts if list(value).next().is_none() => Err("expected at least one host:port".into()),
            Kind::HostPorts => list(value).try_for_each(host_port),
            Kind::Prefix => prefix(value),
            Kind::TopicConfigs => topic_configs(value),
            Kind::GroupFilters => json(value, |json| NameFilters::parse_groups(json).map(drop)),
            Kind::TopicFilters => json(value, |json| NameFilters::parse_topics(json).map(drop)),
            Kind::AclFilters => json(value, |json| filter::parse_acls(json).map(drop)),
            Kind::StartOffset => value.parse::<StartOffset>().map(drop).map_err(|error| error.to_string()),
            Kind::OneOf(valid) if valid.iter().any(|name| name.eq_ignore_ascii_case(value)) => Ok(()),
            Kind::OneOf(valid) => Err(format!("expected one of {}", valid.join(", "))),
            Kind::OnlyOne { only, valid, why } => {
                if only.eq_ignore_ascii_case(value) {
                    Ok(())
                } else if valid.is_empty() || valid.iter().any(|name| name.eq_ignore_ascii_case(value)) {
                    Err(format!("{why}; the only value that it accepts is {only}"))
                } else {
                    Err(format!("expected one of {}", valid.join(", ")))
                }
            }
        }
    }
}

/// Returns the entries of a comma-separated list.
pub(super) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn number(value: &str, least: i64, most: i64) -> Result<(), String> {
    match value.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        Ok(number) if number < least => Err(format!("must be at least {least}")),
        Ok(_) => Err(format!("must be at most {most}")),
        Err(_) => Err("expected a number".into()),
    }
}

fn host_port(text: &str) -> Result<(), String> {
    match text.parse::<HostPort>() {
        Ok(HostPort { port: 0, .. }) => Err(format!("'{text}' has no port to connect to")),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn prefix(value: &str) -> Result<(), String> {
    if value.chars().count() > MAX_PREFIX {
        return Err(format!("must have at most {MAX_PREFIX} characters"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match value.chars().find(|c| !legal(*c)) {
        Some(c) => {
            Err(format!("'{c}' is not allowed in a topic name; use letters, digits, '.', '_' and '-'"))
        }
        None => Ok(()),
    }
}

fn topic_configs(value: &str) -> Result<(), String> {
    if let Some(other) = list(value).find(|name| !is_syncable(name)) {
        return Err(format!("'{other}' is not a topic config that can be synced"));
    }
    let missing: Vec<&str> =
        ALWAYS_SYNCED.into_iter().filter(|name| !list(value).any(|listed| listed == *name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("must contain {}, which are always synced", missing.join(", ")))
}

fn json(value: &str, parse: impl FnOnce(&str) -> Result<(), filter::FilterError>) -> Result<(), String> {
    if value.is_empty() { Ok(()) } else { parse(value).map_err(|error| error.to_string()) }
}
