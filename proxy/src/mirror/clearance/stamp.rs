//! Stamps at the destination: each tells how far a journal has got. Keeps the newest stamp of each journal.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use state::model::{KafkaUuid, View};
use uuid::Uuid;

use crate::wire::records::keyed_record::KeyedRecord;

/// Maximum size of a stamp, in bytes. A longer value is not a stamp.
const MOST_BYTES: usize = 4 * 1024;
/// Maximum number of journals that are kept for one destination. Stamps of further journals count as garbage.
const MOST_JOURNALS: usize = 1_000;

/// Position of a journal at the time when its Linkgate wrote the stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Sequence of the journal's last record.
    pub sequence: u64,
    /// Digest of all decisions in the journal ([`View::decisions`]).
    pub decisions: Uuid,
    /// Id of the process that wrote the stamp. It is new each time that Linkgate starts.
    pub instance: Uuid,
}

impl Stamp {
    /// Returns the stamp of this view of the journal, written by the process `instance`.
    #[must_use]
    pub(crate) fn of(view: &View, instance: Uuid) -> Self {
        Stamp { sequence: view.sequence, decisions: view.decisions(), instance }
    }

    /// Returns the JSON for the record's value.
    #[must_use]
    pub(crate) fn to_json(self) -> Vec<u8> {
        // This cannot fail: the fields are only numbers and ids.
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

/// Relation of a journal to its stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The journal is at least as new as the stamp, or has the same decisions.
    Newest,
    /// The journal is older than the stamp, and other decisions were made since.
    OldCopy,
    /// The journal has at least as many records as the stamp, but other decisions: two copies were written
    /// to.
    Diverged,
}

/// Compares a journal with its stamp. `known` is the sequence up to which this copy is known to be the
/// newest, that of its own last stamp. Records that it has written since without reading the stamp do not
/// make it newer.
#[must_use]
pub(crate) fn standing(own: Stamp, known: u64, stamped: Stamp) -> Standing {
    if own.decisions == stamped.decisions || stamped.sequence <= known {
        Standing::Newest
    } else if own.sequence < stamped.sequence {
        Standing::OldCopy
    } else {
        Standing::Diverged
    }
}

/// A stamp that was read from the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StampRead {
    /// Id of the journal that the stamp is of.
    pub journal: KafkaUuid,
    /// Content of the stamp.
    pub stamp: Stamp,
    /// Time when the stamp was written, in ms since the epoch.
    pub timestamp: i64,
}

/// The stamps in the topic, as one journal needs them.
#[derive(Debug)]
pub(crate) struct Stamps {
    own: KafkaUuid,
    newest: HashMap<KafkaUuid, StampRead>,
    /// Number of records that are not stamps.
    pub garbage: usize,
}

impl Stamps {
    /// Creates an empty collection for the journal with the id `own`. Its own stamp is always kept, even if
    /// other journals reach the maximum.
    #[must_use]
    pub(crate) fn for_journal(own: KafkaUuid) -> Self {
        Stamps { own, newest: HashMap::new(), garbage: 0 }
    }

    /// Takes the next record, in log order. Returns the stamp in it, if it is one.
    pub(crate) fn take(&mut self, record: &KeyedRecord) -> Option<StampRead> {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
        let Some(journal) = key else {
            self.garbage += 1;
            return None;
        };
        let Some(value) = &record.value else {
            // A tombstone: an operator has removed the stamp of a retired journal.
            let _ = self.newest.remove(&journal);
            return None;
        };
        let Some(stamp) = parse(value) else {
            self.garbage += 1;
            return None;
        };
        let is_known = journal == self.own || self.newest.contains_key(&journal);
        if self.newest.len() >= MOST_JOURNALS && !is_known {
            self.garbage += 1;
            return None;
        }
        let read = StampRead { journal, stamp, timestamp: record.timestamp };
        let _ = self.newest.insert(journal, read);
        Some(read)
    }

    /// Returns the journal's own newest stamp.
    #[must_use]
    pub(crate) fn own(&self) -> Option<StampRead> {
        self.newest.get(&self.own).copied()
    }

    /// Returns the newest stamps of all other journals.
    pub(crate) fn others(&self) -> impl Iterator<Item = &StampRead> {
        self.newest.values().filter(|read| read.journal != self.own)
    }
}

fn parse(value: &Bytes) -> Option<Stamp> {
    if value.len() > MOST_BYTES {
        return None;
    }
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sequence: u64, decisions: u128) -> Stamp {
        Stamp { sequence, decisions: Uuid::from_u128(decisions), instance: Uuid::from_u128(1) }
    }

    fn record(key: &str, value: Option<&[u8]>) -> KeyedRecord {
        let bytes = Bytes::copy_from_slice;
        KeyedRecord { offset: 0, timestamp: 5, key: Some(bytes(key.as_bytes())), value: value.map(bytes) }
    }

    #[test]
    fn an_old_copy_is_distinguished_from_a_copy_with_equal_decisions() {
        assert_eq!(standing(stamp(7, 1), 7, stamp(7, 1)), Standing::Newest);
        // A decision was made, and its stamp is not written yet.
        assert_eq!(standing(stamp(8, 2), 7, stamp(7, 1)), Standing::Newest);
        // Two Linkgates found out other things by themselves, but made no decision.
        assert_eq!(standing(stamp(7, 1), 7, stamp(9, 1)), Standing::Newest);
        assert_eq!(standing(stamp(7, 1), 7, stamp(9, 2)), Standing::OldCopy);
        // Records that an old copy writes without reading the stamp do not make it newer.
        assert_eq!(standing(stamp(12, 1), 7, stamp(9, 2)), Standing::Diverged);
        assert_eq!(standing(stamp(9, 3), 7, stamp(9, 2)), Standing::Diverged);
    }

    #[test]
    fn the_last_stamp_of_a_journal_counts_and_garbage_is_counted() {
        let (own, other) = (KafkaUuid::random(), KafkaUuid::random());
        let mut stamps = Stamps::for_journal(own);
        for (sequence, journal) in [(9, own), (3, other), (7, own)] {
            assert!(
                stamps.take(&record(&journal.to_string(), Some(&stamp(sequence, 1).to_json()))).is_some()
            );
        }
        // The last one in the log counts, not the highest: an operator may have accepted an old copy.
        assert_eq!(stamps.own().unwrap().stamp, stamp(7, 1));
        assert_eq!(stamps.others().map(|read| read.journal).collect::<Vec<_>>(), [other]);
        let long = vec![b' '; MOST_BYTES + 1];
        let key = own.to_string();
        let liars: [(&str, &[u8]); 5] = [
            ("no id", b"{}"),
            (&key, b"{}"),
            (&key, b"\xff\xff"),
            (&key, br#"{"sequence":-1,"decisions":"x","instance":"y"}"#),
            (&key, &long),
        ];
        for (key, value) in liars {
            assert!(stamps.take(&record(key, Some(value))).is_none());
        }
        assert!(stamps.take(&KeyedRecord { key: None, ..record("", None) }).is_none());
        assert_eq!(stamps.garbage, liars.len() + 1);
        // The earlier stamp is kept.
        assert_eq!(stamps.own().unwrap().stamp, stamp(7, 1));
        assert!(stamps.take(&record(&other.to_string(), None)).is_none());
        assert_eq!(stamps.others().count(), 0);
        assert_eq!(stamps.garbage, liars.len() + 1);
    }

    #[test]
    fn excess_journals_use_no_memory_and_do_not_hide_the_own_stamp() {
        let own = KafkaUuid(Uuid::from_u128(u128::MAX));
        let mut stamps = Stamps::for_journal(own);
        for journal in 0..2 * MOST_JOURNALS as u128 {
            let key = KafkaUuid(Uuid::from_u128(journal + 1)).to_string();
            let _ = stamps.take(&record(&key, Some(&stamp(1, 1).to_json())));
        }
        assert_eq!(stamps.newest.len(), MOST_JOURNALS);
        assert_eq!(stamps.garbage, MOST_JOURNALS);
        assert!(stamps.take(&record(&own.to_string(), Some(&stamp(4, 4).to_json()))).is_some());
        assert_eq!(stamps.own().unwrap().stamp, stamp(4, 4));
    }
}
