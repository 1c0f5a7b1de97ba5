//! How far a journal has got, as it stands at the destination: the newest stamp of each journal.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use state::model::{KafkaUuid, View};
use uuid::Uuid;

use crate::wire::keyed_record::KeyedRecord;

/// A longer value is none of ours.
const MOST_BYTES: usize = 4 * 1024;
/// Journals of one destination that are told apart; more are taken for garbage.
const MOST_JOURNALS: usize = 1_000;

/// How far a journal had got when its Linkgate said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Sequence of its last record.
    pub sequence: u64,
    /// [`View::decisions`].
    pub decisions: Uuid,
    /// The process that said so: another one each time that Linkgate starts.
    pub instance: Uuid,
}

impl Stamp {
    /// Of this view of the journal, by this process.
    #[must_use]
    pub fn of(view: &View, instance: Uuid) -> Self {
        Stamp { sequence: view.sequence, decisions: view.decisions(), instance }
    }

    /// As the record's value has it.
    #[must_use]
    pub fn to_json(self) -> Vec<u8> {
        // Numbers and ids only: this cannot fail.
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

/// What a journal is beside its stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As new as the stamp or newer, or the same in all that was decided.
    Newest,
    /// Older than the stamp, and other things were decided since.
    OldCopy,
    /// As old as the stamp, and other things were decided: two copies were written to.
    Diverged,
}

/// Holds a journal against its stamp. `known`: up to which record this copy is known to be the newest, which is where
/// it had stamped itself last; records that it has written since without looking at the stamp do not make it newer.
#[must_use]
pub fn standing(own: Stamp, known: u64, stamped: Stamp) -> Standing {
    if own.decisions == stamped.decisions || stamped.sequence <= known {
        Standing::Newest
    } else if own.sequence < stamped.sequence {
        Standing::OldCopy
    } else {
        Standing::Diverged
    }
}

/// A stamp as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The journal that it is of.
    pub journal: KafkaUuid,
    /// What it says.
    pub stamp: Stamp,
    /// When it was written, in ms since the epoch.
    pub timestamp: i64,
}

/// What stood in the topic, as far as one journal wants to know it.
#[derive(Debug)]
pub struct Stamps {
    own: KafkaUuid,
    newest: HashMap<KafkaUuid, Read>,
    /// Records that are no stamps.
    pub garbage: usize,
}

impl Stamps {
    /// Nothing yet, for the journal with this id: whoever else has stamps there, its own is always kept.
    #[must_use]
    pub fn for_journal(own: KafkaUuid) -> Self {
        Stamps { own, newest: HashMap::new(), garbage: 0 }
    }

    /// Takes the next record, in the order of the log; gives back the stamp that it is.
    pub fn take(&mut self, record: &KeyedRecord) -> Option<Read> {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
        let Some(journal) = key else {
            self.garbage += 1;
            return None;
        };
        let Some(value) = &record.value else {
            // A tombstone: somebody has taken the stamp of a retired journal away.
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
        let read = Read { journal, stamp, timestamp: record.timestamp };
        let _ = self.newest.insert(journal, read);
        Some(read)
    }

    /// The journal's own newest stamp.
    #[must_use]
    pub fn own(&self) -> Option<Read> {
        self.newest.get(&self.own).copied()
    }

    /// The newest stamps of all other journals.
    pub fn others(&self) -> impl Iterator<Item = &Read> {
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
    fn an_old_copy_is_told_from_one_that_is_equal_in_what_was_decided() {
        assert_eq!(standing(stamp(7, 1), 7, stamp(7, 1)), Standing::Newest);
        // Something was decided, and its stamp was not written yet.
        assert_eq!(standing(stamp(8, 2), 7, stamp(7, 1)), Standing::Newest);
        // Two Linkgates have found out other things by themselves.
        assert_eq!(standing(stamp(7, 1), 7, stamp(9, 1)), Standing::Newest);
        assert_eq!(standing(stamp(7, 1), 7, stamp(9, 2)), Standing::OldCopy);
        // What an old copy has written without a look at the stamp does not make it newer.
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
        // The last in the log, not the highest: an operator may have accepted an old copy.
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
        // What was believed before stands.
        assert_eq!(stamps.own().unwrap().stamp, stamp(7, 1));
        assert!(stamps.take(&record(&other.to_string(), None)).is_none());
        assert_eq!(stamps.others().count(), 0);
        assert_eq!(stamps.garbage, liars.len() + 1);
    }

    #[test]
    fn journals_without_number_use_up_no_memory_and_hide_nothing() {
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
