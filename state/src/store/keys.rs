//! Row keys: one kind byte, then a suffix that orders the rows of that kind. Kinds sort in the order of their
//! declaration.

/// Kind of a row: the first byte of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum KeyKind {
    /// The schema version. One row, no suffix.
    Schema = 0x01,
    /// A journal record. Suffix: big-endian sequence.
    Journal = 0x10,
    /// Sequence up to which records were trimmed. One row, no suffix.
    Trimmed = 0x11,
    /// A link. Suffix: its name.
    Link = 0x20,
    /// A mirror topic. Suffix: its name on the destination.
    Mirror = 0x30,
    /// Identity of the journal. One row, no suffix. Versions that do not know it leave it alone.
    Identity = 0x40,
    /// Sequence up to which this copy is known to be the newest. One row, no suffix. Versions that do not
    /// know it leave it alone.
    Stamped = 0x41,
}

/// Length of a journal key, in bytes.
const JOURNAL_KEY_LEN: usize = 9;
const _: () = assert!(JOURNAL_KEY_LEN == size_of::<KeyKind>() + size_of::<u64>());
const _: () = assert!((KeyKind::Schema as u8) < (KeyKind::Journal as u8));
const _: () = assert!((KeyKind::Journal as u8) < (KeyKind::Trimmed as u8));
const _: () = assert!((KeyKind::Trimmed as u8) < (KeyKind::Link as u8));
const _: () = assert!((KeyKind::Link as u8) < (KeyKind::Mirror as u8));
const _: () = assert!((KeyKind::Mirror as u8) < (KeyKind::Identity as u8));
const _: () = assert!((KeyKind::Identity as u8) < (KeyKind::Stamped as u8));

impl KeyKind {
    /// Returns the first key of the kind.
    pub(crate) fn lower(self) -> Vec<u8> {
        vec![self as u8]
    }

    /// Returns the first key after all keys of the kind (exclusive bound).
    pub(crate) fn upper(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }
}

/// Returns the key of the schema version row.
pub(crate) fn schema() -> Vec<u8> {
    KeyKind::Schema.lower()
}

/// Returns the key of the row with the trimmed sequence.
pub(crate) fn trimmed() -> Vec<u8> {
    KeyKind::Trimmed.lower()
}

/// Formats a key for operators: its kind, and the rest as text or number.
pub(crate) fn shown(key: &[u8]) -> String {
    if let Some(sequence) = journal_sequence(key) {
        return format!("record {sequence}");
    }
    let (kind, rest) = key.split_first().unwrap_or((&0, &[]));
    let kind = match *kind {
        kind if kind == KeyKind::Link as u8 => "link",
        kind if kind == KeyKind::Mirror as u8 => "mirror topic",
        kind if kind == KeyKind::Identity as u8 => "identity",
        _ => "of an unknown kind",
    };
    format!("{kind} {}", String::from_utf8_lossy(rest))
}

/// Returns the key of the identity row.
pub(crate) fn identity() -> Vec<u8> {
    KeyKind::Identity.lower()
}

/// Returns the key of the row with the stamped sequence.
pub(crate) fn stamped() -> Vec<u8> {
    KeyKind::Stamped.lower()
}

/// Returns the key of a journal record.
pub(crate) fn journal(sequence: u64) -> [u8; JOURNAL_KEY_LEN] {
    let mut key = [KeyKind::Journal as u8; JOURNAL_KEY_LEN];
    key[1..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Returns the sequence in a journal key, `None` for any other key.
pub(crate) fn journal_sequence(key: &[u8]) -> Option<u64> {
    let (&kind, rest) = key.split_first()?;
    let bytes: [u8; 8] = rest.try_into().ok()?;
    (kind == KeyKind::Journal as u8).then(|| u64::from_be_bytes(bytes))
}

/// Returns the key of a link.
pub(crate) fn link(name: &str) -> Vec<u8> {
    named(KeyKind::Link, name)
}

/// Returns the key of a mirror topic.
pub(crate) fn mirror(topic: &str) -> Vec<u8> {
    named(KeyKind::Mirror, topic)
}

fn named(kind: KeyKind, name: &str) -> Vec<u8> {
    let mut key = kind.lower();
    key.extend_from_slice(name.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_keys_sort_by_sequence_and_read_back() {
        let sequences = [0, 1, 255, 256, 65_535, 1 << 40, u64::MAX];
        for pair in sequences.windows(2) {
            assert!(journal(pair[0]) < journal(pair[1]));
        }
        for sequence in sequences {
            let key = journal(sequence);
            assert_eq!(journal_sequence(&key), Some(sequence));
            assert!(key.as_slice() >= KeyKind::Journal.lower().as_slice());
            assert!(key.as_slice() < KeyKind::Journal.upper().as_slice());
        }
        assert_eq!(journal_sequence(&link("12345678")), None);
        assert_eq!(journal_sequence(&[]), None);
    }

    #[test]
    fn kinds_do_not_overlap() {
        assert!(schema() < journal(0).to_vec());
        assert!(journal(u64::MAX).to_vec() < link(""));
        assert!(link("\u{10ffff}") < mirror(""));
        assert!(mirror("\u{10ffff}") < identity());
    }
}
