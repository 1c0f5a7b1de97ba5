//! What a client that reads along keeps of a record.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::records::Record;

/// A record as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: i64,
    /// Of key, value and headers.
    pub digest: u64,
}

impl Seen {
    /// What a reader would have seen of `record`.
    #[must_use]
    pub fn of(record: &Record) -> Seen {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let digest = digest(record.key.as_deref(), record.value.as_deref(), headers);
        Seen { offset: record.offset, timestamp: record.timestamp, digest }
    }
}

/// A digest of what a record says.
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
