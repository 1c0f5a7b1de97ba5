//! Journal records and materialised rows as bytes: JSON. Secrets stand sealed in the rows of their links, and in no record.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::backend::{Backend, Row, Write};
use super::keys::{self, KeyKind};
use super::seal::{self, Sealer};
use crate::invariant;
use crate::model::{Change, Link, MirrorTopic, Record, View};

/// Rows read at a time.
const PAGE: usize = 1024;
/// Records read at a time, the latest first.
const STEP: usize = 32;
/// Bytes of records after which no further ones are read for one answer.
const LARGEST_ANSWER: usize = 4 << 20;

/// What a journal holds when it is opened.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// What all records add up to.
    pub(crate) view: View,
    /// What there is of history.
    pub(crate) history: History,
    /// Links with a value in the clear that would be sealed today.
    pub(crate) bare: Vec<Link>,
    /// Records of an earlier version, which hold sealed values.
    pub(crate) with_secrets: Vec<u64>,
}

/// The records that are kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct History {
    /// Records up to this one have been trimmed; 0 for none.
    pub(crate) trimmed: u64,
    /// Bytes of the others, keys left out.
    pub(crate) bytes: u64,
}

/// All writes that one record causes: itself and the rows it materialises. Also the bytes of the record.
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

/// The row of a link, written anew.
pub(crate) fn link_row(link: &Link, sealer: &Sealer) -> Result<Write, StoreError> {
    let mut link = link.clone();
    sealer.seal_link(&mut link)?;
    Ok(Write::Put(keys::link(&link.name), encode(&link)?))
}

/// A record, written anew: secrets left out. Also its bytes.
pub(crate) fn record_row(record: &Record) -> Result<(Write, u64), StoreError> {
    let row = encode_record(record)?;
    let bytes = row.len() as u64;
    Ok((Write::Put(keys::journal(record.sequence).to_vec(), row), bytes))
}

/// Reads journal records from `from` on, at most `limit`.
pub(crate) fn read_journal(
    backend: &dyn Backend,
    from: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let rows = backend.scan(&keys::journal(from), &KeyKind::Journal.upper(), limit)?;
    rows.iter().map(decode_record).collect()
}

/// Reads the latest records before `before`, the latest first: at most `limit`, and fewer once they take
/// [`LARGEST_ANSWER`].
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
            .ok_or_else(|| StoreError::Corrupt(format!("{key:02x?} is no journal key")))?;
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

/// The sequence that a row of one number holds; `what` it is, for the error.
pub(crate) fn number(value: &[u8], what: &str) -> Result<u64, StoreError> {
    let bytes = value.try_into().map_err(|_| StoreError::Corrupt(format!("{what} is no number")))?;
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
                // The least key after it.
                from.push(0);
            }
            _ => return Ok(()),
        }
    }
}

/// Reads a record. Secrets in it, which earlier versions wrote, are left out.
pub(crate) fn decode_record((key, value): &Row) -> Result<Record, StoreError> {
    let mut record: Record = decode(key, value)?;
    if keys::journal_sequence(key) != Some(record.sequence) {
        return Err(StoreError::Corrupt(format!("record {} stands at {key:02x?}", record.sequence)));
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
        // A word that this version does not know is no damage: a newer one has put it there.
        if error.is_data() && error.to_string().starts_with("unknown variant") {
            StoreError::NewerRow(what)
        } else {
            StoreError::Corrupt(what)
        }
    })
}
