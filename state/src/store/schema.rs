//! The schema version row, and the place where older schemas are brought up to date.
//!
//! | schema | since |
//! |---|---|
//! | 1 | the first journal |
//! | 2 | history does not begin at record 1: written with the first trimming, so that a journal which has not been trimmed can still be opened by a version that knows schema 1 only |

use super::StoreError;
use super::backend::{Backend, Write};
use super::keys;

/// Schema of a journal whose history is whole.
const WHOLE: u32 = 1;
/// Schema of a journal whose history has been trimmed: the newest that this version knows.
pub(crate) const TRIMMED: u32 = 2;

/// The rows of a new journal.
pub(crate) fn first_rows() -> Vec<Write> {
    vec![version_row(WHOLE)]
}

/// The rows that tell that history up to `sequence` has been trimmed.
pub(crate) fn trimmed_rows(sequence: u64) -> [Write; 2] {
    [version_row(TRIMMED), Write::Put(keys::trimmed(), sequence.to_be_bytes().to_vec())]
}

/// Checks the schema of a journal. Both that this version knows need no step between them; where one does, this is its
/// place: one committed step at a time.
///
/// # Errors
/// The journal is of a newer schema, or has no schema row.
pub(crate) fn check(backend: &dyn Backend) -> Result<(), StoreError> {
    let key = keys::schema();
    let row = backend.scan(&key, &keys::KeyKind::Schema.upper(), 1)?.pop();
    let (_, value) = row.ok_or_else(|| StoreError::Corrupt("it has no schema version".into()))?;
    let value: Result<[u8; 4], _> = value.as_slice().try_into();
    let value = value.map_err(|_| StoreError::Corrupt("its schema version is no number".into()))?;
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
