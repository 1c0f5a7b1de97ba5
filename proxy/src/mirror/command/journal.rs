//! Commands on the journal itself: read it, back it up, and report its health.

use std::time::Duration;

use state::model::Record;
use state::store::{Backup, BackupError, BackupName};

use crate::mirror::command::types::CommandError;
use crate::mirror::command::{Commands, refusal};

/// Time that a write to the disk may take before it is reported as trouble.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(10);

impl Commands {
    /// Returns the latest records before sequence `before`, the latest first. Returns fewer than `limit` if
    /// they are large.
    ///
    /// # Errors
    /// Fails if the journal cannot be read.
    pub async fn journal(&self, before: Option<u64>, limit: usize) -> Result<Vec<Record>, CommandError> {
        let records = self.store.latest(before, limit).await;
        records.map_err(|error| refusal::internal(error.to_string()))
    }

    /// Makes a consistent copy of the journal, with its key.
    ///
    /// # Errors
    /// Fails if a backup of this name exists, another backup is being made, there are too many backups, or
    /// the backup cannot be written.
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

    /// Returns the trouble with the journal's disk, in one sentence, or `None` if it works.
    #[must_use]
    pub fn journal_trouble(&self) -> Option<String> {
        self.store.trouble(BACKUP_TIMEOUT)
    }

    /// Returns the trouble with the journal's stamp at the destination, in one sentence. Returns `None` if
    /// the stamp is kept and no other copy contradicts it.
    #[must_use]
    pub fn stamp_trouble(&self) -> Option<String> {
        self.clearance.trouble()
    }
}
