//! The records of the journal, and the view that they produce.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{JournalIdentity, Link, MirrorTopic, Summary};

/// One change of state: the whole new value of a key, or its removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A link is created or altered.
    PutLink(Link),
    /// A link is removed, by name.
    RemoveLink(String),
    /// A mirror topic is created or altered.
    PutMirror(MirrorTopic),
    /// A mirror topic is forgotten, by its destination name.
    RemoveMirror(String),
    /// The identity of the journal and its destination is set.
    PutIdentity(JournalIdentity),
}

/// One entry of the journal: changes that take effect together, and who made them, when and why.
///
/// A written record does not contain the values of sensitive link configs: see [`Link::hide_secrets`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the journal, from 1, without gaps.
    pub sequence: u64,
    /// Time of the record, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Name of the caller (`rest`, `engine`, …).
    pub who: String,
    /// Reason, as a text for operators.
    pub why: String,
    /// The changes, in the order in which they apply.
    pub changes: Vec<Change>,
    /// Summary for operators. Empty in records of the first versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summary: Vec<Summary>,
    /// Number of changes that the summary leaves out because there are too many.
    #[serde(default)]
    pub omitted: usize,
}

/// The state after all records up to `sequence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Sequence of the last record applied; 0 for none.
    pub sequence: u64,
    /// Links by name.
    pub links: BTreeMap<String, Link>,
    /// Mirror topics by destination name.
    pub mirrors: BTreeMap<String, MirrorTopic>,
    /// Identity of the journal. `None` before the first contact with the destination.
    pub identity: Option<JournalIdentity>,
}

impl View {
    /// Applies one record. The store ensures that records are applied in sequence.
    pub fn apply(&mut self, record: &Record) {
        for change in &record.changes {
            self.apply_change(change);
        }
        self.sequence = record.sequence;
    }

    fn apply_change(&mut self, change: &Change) {
        match change {
            Change::PutLink(link) => {
                let _ = self.links.insert(link.name.clone(), link.clone());
            }
            Change::RemoveLink(name) => {
                let _ = self.links.remove(name);
            }
            Change::PutMirror(mirror) => {
                let _ = self.mirrors.insert(mirror.topic.clone(), mirror.clone());
            }
            Change::RemoveMirror(topic) => {
                let _ = self.mirrors.remove(topic);
            }
            Change::PutIdentity(identity) => self.identity = Some(identity.clone()),
        }
    }

    /// Returns the mirror topics of one link, by name.
    pub fn mirrors_of<'a>(&'a self, link: &'a str) -> impl Iterator<Item = &'a MirrorTopic> {
        self.mirrors.values().filter(move |mirror| mirror.link == link)
    }
}
