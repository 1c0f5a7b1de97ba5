//! The schema version row. Upgrades from older schemas belong here.
//!
//! * Schema 1: the first journal.
//! * Schema 2: the history does not begin at record 1. It is written with the first trimming, so that a
//!   version that knows only schema 1 can still open a journal that was not trimmed.

use super::StoreError;
use super::backend::{Backend, Write};
use super::keys;

/// Schema of a journal with its whole history.
const WHOLE: u32 = 1;
/// Schema of a journal whose history was trimmed. The newest schema that this version knows.
pub(crate) const TRIMMED: u32 = 2;

/// Returns the rows of a new journal.
pub(crate) fn first_rows() -> Vec<Write> {
    vec![version_row(WHOLE)]
}

/// Returns the rows that record that history up to `sequence` was trimmed.
pub(crate) fn trimmed_rows(sequence: u64) -> [Write; 2] {
    [version_row(TRIMMED), Write::Put(keys::trimmed(), sequence.to_be_bytes().to_vec())]
}

/// Checks the schema of a journal. The two known schemas need no upgrade between them. A future upgrade
/// belongs here: one committed step at a time.
///
/// # Errors
/// Fails if the journal has a newer schema, or no schema row.
pub(crate) fn check(backend: &dyn Backend) -> Result<(), StoreError> {
    let key = keys::schema();
    let row = backend.scan(&key, &keys::KeyKind::Schema.upper(), 1)?.pop();
    let (_, value) = row.ok_or_else(|| StoreError::Corrupt("it has no schema version".into()))?;
    let value: Result<[u8; 4], _> = value.as_slice().try_into();
    let value = value.map_err(|_| StoreError::Corrupt("its schema version is not a number".into()))?;
    let found = u32::from_be_bytes(value);
    if found > TRIMMED {
        return Err(StoreError::NewerSchema { found, known: TRIMMED });
    }
    Ok(())
}

fn version_row(version: u32) -> Write {
    Write::Put(keys::schema(), version.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    #[test]
    fn a_newer_schema_and_a_missing_one_are_refused() {
        let backend = Memory::default();
        assert!(matches!(check(&backend), Err(StoreError::Corrupt(_))));
        backend.commit(first_rows()).unwrap();
        check(&backend).unwrap();
        backend.commit(trimmed_rows(7).to_vec()).unwrap();
        check(&backend).unwrap();
        backend.commit(vec![version_row(TRIMMED + 1)]).unwrap();
        assert!(matches!(
            check(&backend),
            Err(StoreError::NewerSchema { found, known }) if found == TRIMMED + 1 && known == TRIMMED
        ));
    }
}
