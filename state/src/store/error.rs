//! Errors of the journal, with texts for the operator.

use std::path::PathBuf;

use crate::invariant::Broken;

/// Reasons why the store cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("state directory {} is in use by another process", dir.display())]
    Locked {
        /// The state directory.
        dir: PathBuf,
    },
    /// A newer version of Linkgate wrote the journal.
    #[error(
        "the journal has schema {found}, written by a newer version; this version knows schemas up to {known}"
    )]
    NewerSchema {
        /// Schema of the journal.
        found: u32,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// A newer version of Linkgate wrote a row in a form that this version does not know.
    #[error("the journal was written by a newer version of Linkgate; install that version again: {0}")]
    NewerRow(String),
    /// Other users may change the contents of the directory.
    #[error("state directory {}: {what}", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// Description of the problem, and its remedy.
        what: String,
    },
    /// There is no journal, and none may be created.
    #[error("state directory {} has no journal: {what}", dir.display())]
    Missing {
        /// The state directory.
        dir: PathBuf,
        /// Reason why none is created, and the remedy.
        what: String,
    },
    /// The directory holds files that Linkgate did not write.
    #[error("{} holds no Linkgate journal: {what}", path.display())]
    Foreign {
        /// The path that was checked.
        path: PathBuf,
        /// Description of the problem.
        what: String,
    },
    /// The key file of sealed values is missing, readable by others, or not the key that they were sealed
    /// with.
    #[error("key file {}: {what}", path.display())]
    KeyFile {
        /// Path of the key file.
        path: PathBuf,
        /// Description of the problem.
        what: String,
    },
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The database refused an operation.
    #[error("journal database: {0}")]
    Database(String),
    /// A row cannot be read back.
    #[error("the journal is damaged: {0}")]
    Corrupt(String),
    /// The change would break an invariant. Nothing was written.
    #[error(transparent)]
    Invariant(#[from] Broken),
    /// An earlier commit failed, and the state on disk could not be read again yet. Each transaction tries to
    /// read it.
    #[error("the journal accepts no writes after a failed commit until its database can be reopened: {0}")]
    Poisoned(String),
    /// The writer thread has ended because the process is shutting down, or the transaction's function
    /// panicked.
    #[error("the journal's writer did not finish the transaction")]
    WriterGone,
}

/// Reasons why a transaction had no effect. After a store error on commit, the effect is unknown.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The transaction's function refused. Nothing was written.
    #[error("{0}")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
