//! Encodes journal records and materialised rows as JSON. Secrets are sealed in the rows of their links, and
//! are in no record.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::backend::{Backend, Row, Write};
use super::keys::{self, KeyKind};
use super::seal::{self, Sealer};
use crate::invariant;
use crate::model::{Change, Link, MirrorTopic, Record, View};

/// Number of rows read at a time.
const PAGE: usize = 1024;
/// Number of records read at a time, the latest first.
const STEP: usize = 32;
/// Size of the records read for one answer, in bytes, after which no more are read.
const LARGEST_ANSWER: usize = 4 << 20;

/// Contents of a journal when it is opened.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// State after all records.
    pub(crate) view: View,
    /// The records that are kept.
    pub(crate) history: History,
    /// Links with a value in the clear that would be sealed today.
    pub(crate) bare: Vec<Link>,
    /// Sequences of records of an earlier version that hold sealed values.
    pub(crate) with_secrets: Vec<u64>,
}

/// The records that are kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct History {
    /// Sequence up to which records were trimmed. 0 if none were.
    pub(crate) trimmed: u64,
    /// Size of the kept records in bytes, without their keys.
    pub(crate) bytes: u64,
}

/// Returns all writes of one record: the record itself and the rows that it changes. Also returns the size of
/// the record in bytes.
pub(crate) fn writes_of(record: &Record, sealer: &Sealer) -> Result<(Vec<Write>, u64), StoreError> {
    let (row, bytes) = record_row(record)?;
    let mut writes = vec![row];
    for change in &record.changes {
        writes.push(match sealer.sealed(change)? {
            Change::PutLink(link) => Write::Put(keys::link(&link.name), encode(&link)?),
            Change::RemoveLink(name) => Write::Delete(keys::link(&name)),
            Change::PutMirror(mirror) => Write::Put(keys::mirror(&mirror.topic), encode(&mirror)?),
            Change::RemoveMirror(topic) => Write::Delete(keys::mirror(&topic)),
            Change::PutIdentity(identity) => Write::Put(keys::identity(), encode(&identity)?),
        });
    }
    Ok((writes, bytes))
}

/// Returns the write of a link's row, sealed.
pub(crate) fn link_row(link: &Link, sealer: &Sealer) -> Result<Write, StoreError> {
    let mut link = link.clone();
    sealer.seal_link(&mut link)?;
    Ok(Write::Put(keys::link(&link.name), encode(&link)?))
}

/// Returns the write of a record without secrets, and its size in bytes.
pub(crate) fn record_row(record: &Record) -> Result<(Write, u64), StoreError> {
    let row = encode_record(record)?;
    let bytes = row.len() as u64;
    Ok((Write::Put(keys::journal(record.sequence).to_vec(), row), bytes))
}

/// Reads journal records from sequence `from` on, at most `limit`.
pub(crate) fn read_journal(
    backend: &dyn Backend,
    from: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let rows = backend.scan(&keys::journal(from), &KeyKind::Journal.upper(), limit)?;
    rows.iter().map(decode_record).collect()
}

/// Reads the latest records before `before`, the latest first. Returns at most `limit`, and stops when they
/// exceed [`LARGEST_ANSWER`].
pub(crate) fn read_latest(
    backend: &dyn Backend,
    before: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let (mut found, mut bytes, mut end) = (Vec::new(), 0, before);
    while found.len() < limit && bytes < LARGEST_ANSWER && end > 1 {
        let step = (limit - found.len()).min(STEP);
        let from = end.saturating_sub(step as u64).max(1);
        let rows = backend.scan(&keys::journal(from), &keys::journal(end), step)?;
        if rows.is_empty() {
            break;
        }
        for row in rows.iter().rev() {
            found.push(decode_record(row)?);
            bytes += row.1.len();
        }
        end = from;
    }
    Ok(found)
}

/// Rebuilds the view from the materialised rows, and checks that the journal has no gap.
pub(crate) fn read(backend: &dyn Backend, sealer: &Sealer) -> Result<Contents, StoreError> {
    let mut found = Contents::default();
    each_row(backend, KeyKind::Link, |(key, value)| {
        let mut link: Link = decode(key, value)?;
        if sealer.unseal_link(&mut link)? {
            found.bare.push(link.clone());
        }
        drop(found.view.links.insert(link.name.clone(), link));
        Ok(())
    })?;
    each_row(backend, KeyKind::Mirror, |(key, value)| {
        let mirror: MirrorTopic = decode(key, value)?;
        drop(found.view.mirrors.insert(mirror.topic.clone(), mirror));
        Ok(())
    })?;
    each_row(backend, KeyKind::Identity, |(key, value)| {
        found.view.identity = Some(decode(key, value)?);
        Ok(())
    })?;
    each_row(backend, KeyKind::Trimmed, |(_, value)| {
        found.history.trimmed = number(value, "what was trimmed")?;
        Ok(())
    })?;
    found.view.sequence = found.history.trimmed;
    each_row(backend, KeyKind::Journal, |(key, value)| {
        let sequence = keys::journal_sequence(key)
            .ok_or_else(|| StoreError::Corrupt(format!("{key:02x?} is not a journal key")))?;
        invariant::journal_is_gapless(found.view.sequence, sequence)?;
        found.view.sequence = sequence;
        found.history.bytes += value.len() as u64;
        if seal::mentions_sealed(value) {
            found.with_secrets.push(sequence);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Decodes a row that holds one number. `what` names the row in the error.
pub(crate) fn number(value: &[u8], what: &str) -> Result<u64, StoreError> {
    let bytes = value.try_into().map_err(|_| StoreError::Corrupt(format!("{what} is not a number")))?;
    Ok(u64::from_be_bytes(bytes))
}

fn each_row(
    backend: &dyn Backend,
    kind: KeyKind,
    mut take: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = kind.lower();
    loop {
        let rows = backend.scan(&from, &kind.upper(), PAGE)?;
        rows.iter().try_for_each(&mut take)?;
        match rows.last() {
            Some((key, _)) if rows.len() == PAGE => {
                from.clone_from(key);
                // The smallest key after it.
                from.push(0);
            }
            _ => return Ok(()),
        }
    }
}

/// Decodes a record. Leaves out secrets that an earlier version wrote into it.
pub(crate) fn decode_record((key, value): &Row) -> Result<Record, StoreError> {
    let mut record: Record = decode(key, value)?;
    if keys::journal_sequence(key) != Some(record.sequence) {
        return Err(StoreError::Corrupt(format!("record {} is stored under {key:02x?}", record.sequence)));
    }
    for change in &mut record.changes {
        if let Change::PutLink(link) = change {
            seal::unhide(link);
        }
    }
    Ok(record)
}

fn encode_record(record: &Record) -> Result<Vec<u8>, StoreError> {
    let changes = record.changes.iter().map(seal::hidden).collect();
    encode(&Record { changes, ..record.clone() })
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Corrupt(format!("a row cannot be written: {error}")))
}

fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| {
        let what = format!("row {}: {error}", keys::shown(key));
        // An unknown word is not damage: a newer version wrote it.
        if error.is_data() && error.to_string().starts_with("unknown variant") {
            StoreError::NewerRow(what)
        } else {
            StoreError::Corrupt(what)
        }
    })
}
