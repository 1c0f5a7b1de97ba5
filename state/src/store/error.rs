//! What can go wrong with the journal, in words for the operator.

use std::path::PathBuf;

use crate::invariant::Broken;

/// The store cannot be opened, or no longer trusted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("state directory {} is in use by another process", dir.display())]
    Locked {
        /// The state directory.
        dir: PathBuf,
    },
    /// A newer Linkgate wrote it.
    #[error(
        "the journal has schema {found}, written by a newer version; this version knows schemas up to {known}"
    )]
    NewerSchema {
        /// What the journal says.
        found: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// A newer Linkgate wrote a row in a way that this version does not know.
    #[error("the journal was written by a newer version of Linkgate, which is to be installed again: {0}")]
    NewerRow(String),
    /// Others may change what is in the directory.
    #[error("state directory {}: {what}", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// There is no journal, and none is to be made.
    #[error("state directory {} has no journal: {what}", dir.display())]
    Missing {
        /// The state directory.
        dir: PathBuf,
        /// Why none is made, and what to do.
        what: String,
    },
    /// The directory holds something that Linkgate did not write.
    #[error("{} holds no Linkgate journal: {what}", path.display())]
    Foreign {
        /// The place looked at.
        path: PathBuf,
        /// What is wrong there.
        what: String,
    },
    /// The key file of sealed values is missing, readable by others, or not the one they were sealed with.
    #[error("key file {}: {what}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The database refused an operation.
    #[error("journal database: {0}")]
    Database(String),
    /// A row cannot be read back.
    #[error("the journal is damaged: {0}")]
    Corrupt(String),
    /// The change would break a rule; nothing was written.
    #[error(transparent)]
    Invariant(#[from] Broken),
    /// An earlier commit failed, and what is on disk could not be read again yet. It is tried again with each transaction.
    #[error("the journal takes no writes since a commit failed, until its database can be opened again: {0}")]
    Poisoned(String),
    /// The writer is gone: the process is shutting down, or the transaction itself panicked.
    #[error("the journal's writer did not finish the transaction")]
    WriterGone,
}

/// Why a transaction had no effect (or, for a store error on commit, an unknown one).
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The transaction's own function said no; nothing was written.
    #[error("{0}")]
    Refused(E),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
