//! Summary of a record for operators: the fields of each link or mirror topic that it changed, with old and
//! new value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::IntoStaticStr;

use super::{Change, HIDDEN, View, link_config};

/// Maximum length of a shown value, in characters.
const LONGEST_VALUE: usize = 200;
/// Maximum number of fields that are shown of one link or mirror topic.
const MOST_FIELDS: usize = 40;
/// Maximum number of links and mirror topics that are shown of one record.
const MOST_ENTRIES: usize = 100;
/// Maximum size of an object whose entries are listed one by one. A mirror may have a jump in each of
/// thousands of partitions.
const LARGEST_OBJECT: usize = 256;
/// Fields that add nothing to the time of the record.
const NOISE: [&str; 2] = ["state_ms", "created_ms"];

/// Kind of object that a change affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Subject {
    /// A link.
    Link,
    /// A mirror topic.
    Mirror,
    /// The journal itself: its identity and its destination.
    Journal,
}

/// Effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// The object did not exist before.
    Created,
    /// Some of its fields have changed.
    Altered,
    /// The object was removed.
    Removed,
}

/// A field whose value changed. Secrets are hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Name of the field. `configs.NAME` for a config.
    pub field: String,
    /// Value before. `None` if it had none.
    pub before: Option<String>,
    /// Value after. `None` if it has none.
    pub after: Option<String>,
}

/// Effect of a record on one link or mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Kind of the object.
    pub subject: Subject,
    /// Name of the object.
    pub name: String,
    /// Effect of the change.
    pub effect: Effect,
    /// The fields whose values changed. Empty if the object was removed.
    pub fields: Vec<FieldChange>,
}

/// Returns the effects of `changes` on `before`, in their order, and the number of changes that are left out
/// because there are too many.
#[must_use]
pub fn summarise(before: &View, changes: &[Change]) -> (Vec<Summary>, usize) {
    let shown = changes.iter().take(MOST_ENTRIES).map(|change| summary(before, change));
    (shown.collect(), changes.len().saturating_sub(MOST_ENTRIES))
}

fn summary(before: &View, change: &Change) -> Summary {
    match change {
        Change::PutLink(link) => put(Subject::Link, &link.name, before.links.get(&link.name), link),
        Change::PutMirror(mirror) => {
            put(Subject::Mirror, &mirror.topic, before.mirrors.get(&mirror.topic), mirror)
        }
        Change::RemoveLink(name) => removed(Subject::Link, name),
        Change::RemoveMirror(topic) => removed(Subject::Mirror, topic),
        Change::PutIdentity(identity) => {
            put(Subject::Journal, &identity.id.to_string(), before.identity.as_ref(), identity)
        }
    }
}

fn removed(subject: Subject, name: &str) -> Summary {
    Summary { subject, name: name.to_owned(), effect: Effect::Removed, fields: Vec::new() }
}

fn put<T: Serialize>(subject: Subject, name: &str, before: Option<&T>, after: &T) -> Summary {
    let (old, new) = (before.map(fields).unwrap_or_default(), fields(after));
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let mut changed: Vec<FieldChange> = names
        .filter(|field| old.get(*field) != new.get(*field) && !NOISE.contains(&field.as_str()))
        .map(|field| FieldChange {
            field: clipped(field, LONGEST_VALUE),
            before: old.get(field).map(|value| shown(subject, field, value)),
            after: new.get(field).map(|value| shown(subject, field, value)),
        })
        .collect();
    changed.sort_by(|a, b| a.field.cmp(&b.field));
    changed.truncate(MOST_FIELDS);
    let effect = if before.is_some() { Effect::Altered } else { Effect::Created };
    Summary { subject, name: name.to_owned(), effect, fields: changed }
}

/// Returns the non-empty fields by their paths.
fn fields<T: Serialize>(of: &T) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten("", &serde_json::to_value(of).unwrap_or_default(), &mut found);
    found
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(inner) if inner.len() <= LARGEST_OBJECT => {
            for (name, value) in inner {
                // The tag of an enum has the name of its field: write `state`, not `state.state`.
                let below =
                    if path.is_empty() || path == name { name.clone() } else { format!("{path}.{name}") };
                flatten(&below, value, into);
            }
        }
        Value::Null => {}
        Value::Array(all) if all.is_empty() => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => drop(into.insert(path.to_owned(), text.clone())),
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

fn shown(subject: Subject, field: &str, value: &str) -> String {
    let config = field.strip_prefix("configs.").filter(|_| subject == Subject::Link);
    if config.is_some_and(link_config::is_sensitive) {
        return HIDDEN.to_owned();
    }
    clipped(value, LONGEST_VALUE)
}

/// Clips a text to at most `most` characters and replaces control characters with blanks: text from others
/// may have any length and contain anything.
#[must_use]
pub fn clipped(text: &str, most: usize) -> String {
    let mut plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let kept: String = plain.by_ref().take(most).collect();
    if plain.next().is_none() {
        return kept;
    }
    let shorter: String = kept.chars().take(most.saturating_sub(1)).collect();
    format!("{shorter}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MirrorState, StopKind, sample};

    fn field(field: &str, before: Option<&str>, after: Option<&str>) -> FieldChange {
        FieldChange {
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn a_change_is_listed_field_by_field_with_secrets_hidden() {
        let mut link = sample::link("dr");
        let set = |link: &mut crate::model::Link, name: &str, value: &str| {
            drop(link.configs.insert(name.into(), value.into()));
        };
        set(&mut link, "bootstrap.servers", "a:1");
        set(&mut link, "sasl.jaas.config", "first");
        set(&mut link, "cluster.link.prefix", "x.");
        let before = View { links: [("dr".to_owned(), link.clone())].into(), ..View::default() };
        set(&mut link, "bootstrap.servers", "b:1");
        set(&mut link, "sasl.jaas.config", "second");
        drop(link.configs.remove("cluster.link.prefix"));
        link.state_ms = 7;
        let (told, omitted) = summarise(&before, &[Change::PutLink(link), Change::RemoveMirror("t".into())]);
        assert_eq!((told[0].subject, told[0].effect, omitted), (Subject::Link, Effect::Altered, 0));
        assert_eq!(
            told[0].fields,
            [
                field("configs.bootstrap.servers", Some("a:1"), Some("b:1")),
                field("configs.cluster.link.prefix", Some("x."), None),
                field("configs.sasl.jaas.config", Some(HIDDEN), Some(HIDDEN)),
            ]
        );
        assert_eq!((told[1].name.as_str(), told[1].effect), ("t", Effect::Removed));
    }

    #[test]
    fn the_state_of_a_mirror_is_listed_with_its_fields() {
        let mut mirror = sample::mirror("dr", "users");
        let before = View { mirrors: [("users".to_owned(), mirror.clone())].into(), ..View::default() };
        mirror.state = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![7, 9] };
        let (told, _) = summarise(&before, &[Change::PutMirror(mirror)]);
        assert_eq!(
            told[0].fields,
            [
                field("state", Some("PENDING_MIRROR"), Some("STOPPED")),
                field("state.log_end_offsets", None, Some("[7,9]")),
                field("state.stop", None, Some("FAILOVER")),
            ]
        );
    }

    #[test]
    fn the_summary_is_limited() {
        let mut mirror = sample::mirror("dr", "users");
        mirror.start_offsets = vec![1_000_000; 10_000];
        let changes = vec![Change::PutMirror(mirror); MOST_ENTRIES + 5];
        let (told, omitted) = summarise(&View::default(), &changes);
        assert_eq!((told.len(), omitted), (MOST_ENTRIES, 5));
        let offsets = told[0].fields.iter().find(|field| field.field == "start_offsets").unwrap();
        assert_eq!(offsets.after.as_ref().unwrap().chars().count(), LONGEST_VALUE);
        assert_eq!(told[0].effect, Effect::Created);
    }

    #[test]
    fn text_is_clipped_and_control_characters_are_replaced() {
        assert_eq!(clipped("short", 5), "short");
        assert_eq!(clipped("longer", 5), "long…");
        assert_eq!(clipped("a\u{1b}[31m\nb", 99), "a [31m b");
        assert_eq!(clipped("äöü", 2), "ä…");
        assert_eq!(clipped("", 0), "");
    }
}
