//! The few things the journal asks of a database: the seam that keeps RocksDB out of everything else.

use std::path::Path;

use super::StoreError;

/// A row: key and value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// The row gets this value.
    Put(Vec<u8>, Vec<u8>),
    /// The row goes.
    Delete(Vec<u8>),
}

/// An ordered key-value database. All calls may block on the disk.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Rows with `from <= key < until` in key order, at most `limit`.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Applies all writes or none; when it returns `Ok` they survive a crash of the machine.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Closes what is there and opens it anew, as a restart would: afterwards it is known what a commit that failed has left.
    fn reopen(&self) -> Result<(), StoreError>;

    /// Makes values that were replaced or deleted leave the disk, as far as the file system lets them.
    fn sweep(&self) -> Result<(), StoreError>;

    /// Makes a consistent copy in a directory that exists, while others read and write. It is durable when this returns.
    fn copy(&self, into: &Path) -> Result<(), StoreError>;
}
