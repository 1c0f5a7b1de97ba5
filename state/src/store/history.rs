//! How much of its history a journal keeps. The rows of links and mirror topics are the snapshot that its records add up
//! to, so that old ones may go: the oldest first, and never the last.

use std::time::Duration;

use serde::Deserialize;

use super::StoreError;
use super::backend::{Backend, Write};
use super::codec::{self, Contents, History};
use super::keys::{self, KeyKind};
use super::schema;
use super::seal::Sealer;

/// Records that are trimmed at a time.
const PAGE: usize = 256;

/// How long records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// A record older than this goes; `None` for no limit.
    pub age: Option<Duration>,
    /// When all records together take more, the oldest go until they take three quarters of it. Decides how long an open
    /// takes at most.
    pub bytes: u64,
}

impl Default for Retention {
    /// 90 days, 64 MiB.
    fn default() -> Self {
        Retention { age: Some(Duration::from_secs(90 * 24 * 60 * 60)), bytes: 64 << 20 }
    }
}

/// What to write to trim some records.
pub(crate) struct Trimming {
    pub(crate) writes: Vec<Write>,
    /// What is kept then.
    pub(crate) after: History,
}

#[derive(Deserialize)]
struct Time {
    at_ms: i64,
}

impl Retention {
    /// What is aimed at once there is too much, so that trimming is not due again at once.
    pub(crate) fn with_room(self) -> Self {
        Retention { bytes: self.bytes / 4 * 3, ..self }
    }
}

/// The records that may go, of which `last` is none; `None` for none.
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
    // Mostly the first is young enough, and a page need not be read to see that.
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

/// Brings to today's form what an earlier version wrote: secrets that stand in the clear, and sealed ones in records.
/// `true` when there was any.
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

/// When a record was written. One that cannot be read counts as young: it goes when its size must.
fn time(record: &[u8]) -> i64 {
    serde_json::from_slice::<Time>(record).map_or(i64::MAX, |time| time.at_ms)
}
