//! The schema version row, and the place where older schemas are brought up to date.

use super::StoreError;
use super::backend::{Backend, Write};
use super::keys;

/// Schema that this version writes.
pub(crate) const SCHEMA: u32 = 1;

/// One step from the schema before it: what to write so that rows are as this schema has them.
type Step = fn(&dyn Backend) -> Result<Vec<Write>, StoreError>;

/// Step `i` leads from schema `i + 1` to `i + 2`. Empty: schema 1 is the first.
const STEPS: [Step; SCHEMA as usize - 1] = [];

/// The rows of a new journal.
pub(crate) fn first_rows() -> Vec<Write> {
    vec![version_row(SCHEMA)]
}

/// Brings the journal to [`SCHEMA`], one committed step at a time.
///
/// # Errors
/// The journal is of a newer schema, or has no schema row.
pub(crate) fn migrate(backend: &dyn Backend) -> Result<(), StoreError> {
    let key = keys::schema();
    let row = backend.scan(&key, &keys::KeyKind::Schema.upper(), 1)?.pop();
    let (_, value) = row.ok_or_else(|| StoreError::Corrupt("it has no schema version".into()))?;
    let value: Result<[u8; 4], _> = value.as_slice().try_into();
    let value = value.map_err(|_| StoreError::Corrupt("its schema version is no number".into()))?;
    let found = u32::from_be_bytes(value);
    if found > SCHEMA {
        return Err(StoreError::NewerSchema { found, known: SCHEMA });
    }
    for (index, step) in (1_u32..).zip(STEPS) {
        if index >= found {
            let mut writes = step(backend)?;
            writes.push(version_row(index + 1));
            backend.commit(writes)?;
        }
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
        assert!(matches!(migrate(&backend), Err(StoreError::Corrupt(_))));
        backend.commit(first_rows()).unwrap();
        migrate(&backend).unwrap();
        backend.commit(vec![version_row(SCHEMA + 1)]).unwrap();
        assert!(matches!(
            migrate(&backend),
            Err(StoreError::NewerSchema { found, known }) if found == SCHEMA + 1 && known == SCHEMA
        ));
    }
}
