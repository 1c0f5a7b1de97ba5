//! The journal for operators: reading it, copying it, and how it fares.

use std::time::Duration;

use state::model::Record;
use state::store::{Backup, BackupError, BackupName};

use super::{Commands, refusal};
use crate::mirror::handle::CommandError;

/// How long a write to the disk may take before operators are told.
const PATIENCE: Duration = Duration::from_secs(10);

impl Commands {
    /// The latest records before `before`, the latest first; fewer than `limit` where they are large.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn journal(&self, before: Option<u64>, limit: usize) -> Result<Vec<Record>, CommandError> {
        let records = self.store.latest(before, limit).await;
        records.map_err(|error| refusal::internal(error.to_string()))
    }

    /// Makes a consistent copy of the journal, with its key.
    ///
    /// # Errors
    /// There is one of this name, or another is being made, or it cannot be written.
    pub async fn back_up_journal(&self, name: Option<BackupName>) -> Result<Backup, CommandError> {
        let made = self.store.backup(name).await.map_err(|error| match error {
            BackupError::Failed(_) => refusal::internal(error.to_string()),
            BackupError::Busy | BackupError::Exists(_) | BackupError::TooMany(_) => {
                refusal::backup_refused(error.to_string())
            }
        })?;
        tracing::info!(path = %made.path.display(), sequence = made.sequence, "the journal was backed up");
        Ok(made)
    }

    /// What is wrong with the journal's disk, in one sentence; `None` when it does its work.
    #[must_use]
    pub fn journal_trouble(&self) -> Option<String> {
        self.store.trouble(PATIENCE)
    }

    /// The trouble with the journal's stamp at the destination, in one sentence. `None` when the stamp is kept and no
    /// other copy contradicts it.
    #[must_use]
    pub fn stamp_trouble(&self) -> Option<String> {
        self.clearance.trouble()
    }
}
