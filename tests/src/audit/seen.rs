//! The part of a record that a reading client keeps.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::read::records::Record;

/// A record as it was when it was read, with a digest instead of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Offset of the record in its partition.
    pub offset: i64,
    /// Timestamp of the record, in ms.
    pub timestamp: i64,
    /// Digest of key, value and headers.
    pub digest: u64,
}

impl Seen {
    /// Returns what a reader keeps of `record`.
    #[must_use]
    pub fn of(record: &Record) -> Seen {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let digest = digest(record.key.as_deref(), record.value.as_deref(), headers);
        Seen { offset: record.offset, timestamp: record.timestamp, digest }
    }
}

/// Returns a digest of key, value and headers.
#[must_use]
pub fn digest<'a>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    headers.for_each(|header| header.hash(&mut hasher));
    hasher.finish()
}
