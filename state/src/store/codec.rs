//! Journal records and materialised rows as bytes: JSON, with sensitive values sealed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::backend::{Backend, Row, Write};
use super::keys::{self, KeyKind};
use super::seal::Sealer;
use crate::invariant;
use crate::model::{Change, Link, MirrorTopic, Record, View};

/// Rows read at a time.
const PAGE: usize = 1024;

/// All writes that one record causes: itself and the rows it materialises.
pub(crate) fn writes_of(record: &Record, sealer: &Sealer) -> Result<Vec<Write>, StoreError> {
    let sealed: Result<Vec<Change>, StoreError> =
        record.changes.iter().map(|change| sealer.sealed(change)).collect();
    let sealed = Record { changes: sealed?, ..record.clone() };
    let mut writes = vec![Write::Put(keys::journal(record.sequence).to_vec(), encode(&sealed)?)];
    for change in &sealed.changes {
        writes.push(match change {
            Change::PutLink(link) => Write::Put(keys::link(&link.name), encode(link)?),
            Change::RemoveLink(name) => Write::Delete(keys::link(name)),
            Change::PutMirror(mirror) => Write::Put(keys::mirror(&mirror.topic), encode(mirror)?),
            Change::RemoveMirror(topic) => Write::Delete(keys::mirror(topic)),
        });
    }
    Ok(writes)
}

/// Reads journal records from `from` on, at most `limit`.
pub(crate) fn read_journal(
    backend: &dyn Backend,
    sealer: &Sealer,
    from: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let rows = backend.scan(&keys::journal(from), &KeyKind::Journal.upper(), limit)?;
    rows.iter().map(|row| decode_record(row, sealer)).collect()
}

/// Rebuilds the view from the materialised rows, and checks that the journal has no gap.
pub(crate) fn read_view(backend: &dyn Backend, sealer: &Sealer) -> Result<View, StoreError> {
    let mut view = View::default();
    each_row(backend, KeyKind::Link, |(key, value)| {
        let mut link: Link = decode(key, value)?;
        sealer.unseal_link(&mut link)?;
        drop(view.links.insert(link.name.clone(), link));
        Ok(())
    })?;
    each_row(backend, KeyKind::Mirror, |(key, value)| {
        let mirror: MirrorTopic = decode(key, value)?;
        drop(view.mirrors.insert(mirror.topic.clone(), mirror));
        Ok(())
    })?;
    each_row(backend, KeyKind::Journal, |(key, _)| {
        let sequence = keys::journal_sequence(key)
            .ok_or_else(|| StoreError::Corrupt(format!("{key:02x?} is no journal key")))?;
        invariant::journal_is_gapless(view.sequence, sequence)?;
        view.sequence = sequence;
        Ok(())
    })?;
    Ok(view)
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

fn decode_record((key, value): &Row, sealer: &Sealer) -> Result<Record, StoreError> {
    let mut record: Record = decode(key, value)?;
    if keys::journal_sequence(key) != Some(record.sequence) {
        return Err(StoreError::Corrupt(format!("record {} stands at {key:02x?}", record.sequence)));
    }
    record.changes.iter_mut().try_for_each(|change| sealer.unseal_change(change))?;
    Ok(record)
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Corrupt(format!("a row cannot be written: {error}")))
}

fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value)
        .map_err(|error| StoreError::Corrupt(format!("row {}: {error}", String::from_utf8_lossy(key))))
}
