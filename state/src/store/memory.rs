//! A backend without a disk, for tests. It has the same order and atomicity, but nothing survives the
//! process.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;

use super::StoreError;
use super::backend::{Backend, Row, Write};

/// Rows in a map.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Backend for Memory {
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.lock();
        Ok(rows
            .range(from.to_vec()..until.to_vec())
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut rows = self.0.lock();
        for write in writes {
            match write {
                Write::Put(key, value) => drop(rows.insert(key, value)),
                Write::Delete(key) => drop(rows.remove(&key)),
            }
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn copy(&self, _into: &Path) -> Result<(), StoreError> {
        Err(StoreError::Database("a journal without a disk has no copies".into()))
    }
}
