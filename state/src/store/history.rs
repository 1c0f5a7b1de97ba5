//! Trims the history of a journal. The rows of links and mirror topics are a snapshot of the state after all
//! records, so old records may be removed: the oldest first, and never the last.

use std::time::Duration;

use serde::Deserialize;

use super::StoreError;
use super::backend::{Backend, Write};
use super::codec::{self, Contents, History};
use super::keys::{self, KeyKind};
use super::schema;
use super::seal::Sealer;

/// Maximum number of records that are trimmed at a time.
const PAGE: usize = 256;

/// Limits for the records that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Maximum age of a record. `None` means no limit.
    pub age: Option<Duration>,
    /// Maximum size of all records, in bytes. If it is exceeded, the oldest are trimmed until three quarters
    /// of it remain. It bounds the time that opening the journal takes.
    pub bytes: u64,
}

impl Default for Retention {
    /// Returns 90 days and 64 MiB.
    fn default() -> Self {
        Retention { age: Some(Duration::from_secs(90 * 24 * 60 * 60)), bytes: 64 << 20 }
    }
}

/// Writes that trim some records.
pub(crate) struct Trimming {
    pub(crate) writes: Vec<Write>,
    /// The history that is kept afterwards.
    pub(crate) after: History,
}

#[derive(Deserialize)]
struct Time {
    at_ms: i64,
}

impl Retention {
    /// Returns the target for trimming when the size limit is exceeded: three quarters of it, so that
    /// trimming is not due again at once.
    pub(crate) fn with_room(self) -> Self {
        Retention { bytes: self.bytes / 4 * 3, ..self }
    }
}

/// Returns the writes that trim the oldest records that are due, at most [`PAGE`]. Never trims the record
/// `last`. Returns `None` if no record is due.
pub(crate) fn due(
    backend: &dyn Backend,
    history: &History,
    last: u64,
    retention: Retention,
    now_ms: i64,
) -> Result<Option<Trimming>, StoreError> {
    let too_large = history.bytes > retention.bytes;
    if retention.age.is_none() && !too_large {
        return Ok(None);
    }
    let oldest_kept_ms = retention
        .age
        .map_or(i64::MIN, |age| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
    // Usually the first record is young enough. This check avoids reading a whole page.
    let first = backend.scan(&keys::journal(history.trimmed + 1), &KeyKind::Journal.upper(), 1)?;
    if !too_large && first.first().is_none_or(|(_, value)| time(value) >= oldest_kept_ms) {
        return Ok(None);
    }
    let mut after = history.clone();
    let mut writes = Vec::new();
    for (key, value) in backend.scan(&keys::journal(history.trimmed + 1), &KeyKind::Journal.upper(), PAGE)? {
        let Some(sequence) = keys::journal_sequence(&key).filter(|sequence| *sequence < last) else { break };
        if time(&value) >= oldest_kept_ms && after.bytes <= retention.bytes {
            break;
        }
        after.trimmed = sequence;
        after.bytes = after.bytes.saturating_sub(value.len() as u64);
        writes.push(Write::Delete(key));
    }
    if writes.is_empty() {
        return Ok(None);
    }
    writes.extend(schema::trimmed_rows(after.trimmed));
    Ok(Some(Trimming { writes, after }))
}

/// Converts what earlier versions wrote to the current form: seals secrets that are in the clear, and removes
/// sealed ones from records. Returns true if there were any.
pub(crate) fn renew(
    backend: &dyn Backend,
    sealer: &Sealer,
    contents: &mut Contents,
) -> Result<bool, StoreError> {
    let links: Result<Vec<Write>, StoreError> =
        contents.bare.drain(..).map(|link| codec::link_row(&link, sealer)).collect();
    let links = links?;
    let mut any = !links.is_empty();
    if any {
        backend.commit(links)?;
    }
    for sequence in contents.with_secrets.drain(..) {
        for row in backend.scan(&keys::journal(sequence), &keys::journal(sequence + 1), 1)? {
            let (write, bytes) = codec::record_row(&codec::decode_record(&row)?)?;
            backend.commit(vec![write])?;
            contents.history.bytes = (contents.history.bytes + bytes).saturating_sub(row.1.len() as u64);
            any = true;
        }
    }
    Ok(any)
}

/// Returns the time when a record was written. A record that cannot be decoded counts as young: it is trimmed
/// only for its size.
fn time(record: &[u8]) -> i64 {
    serde_json::from_slice::<Time>(record).map_or(i64::MAX, |time| time.at_ms)
}
