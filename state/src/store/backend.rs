//! The database interface of the journal. It keeps RocksDB out of the rest of the code.

use std::path::Path;

use super::StoreError;

/// A row: key and value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// Sets the row to this value.
    Put(Vec<u8>, Vec<u8>),
    /// Deletes the row.
    Delete(Vec<u8>),
}

/// An ordered key-value database. All calls may block on the disk.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Returns the rows with `from <= key < until` in key order, at most `limit`.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Applies all writes or none. When it returns `Ok`, they survive a crash of the machine.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Closes the database and opens it again, like a restart. After that, reads show what a failed commit
    /// left on disk.
    fn reopen(&self) -> Result<(), StoreError>;

    /// Removes replaced and deleted values from the disk, as far as the file system allows.
    fn sweep(&self) -> Result<(), StoreError>;

    /// Makes a consistent copy in an existing directory, while other threads read and write. The copy is
    /// durable when this returns.
    fn copy(&self, into: &Path) -> Result<(), StoreError>;
}
