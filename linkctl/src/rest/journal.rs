//! Bodies of requests that read the journal (every change, with author, time and reason) or copy it.

use serde::{Deserialize, Serialize};

/// A changed field of a link or mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalField {
    /// Name of the field; `configs.NAME` for a config of a link.
    pub field: String,
    /// Value before the change, cut at 200 characters; null if there was none. Secrets are hidden.
    #[serde(default)]
    pub before: Option<String>,
    /// Value after the change, cut at 200 characters; null if there is none. Secrets are hidden.
    #[serde(default)]
    pub after: Option<String>,
}

/// Change of one link, of one mirror topic, or of the journal itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalChange {
    /// Kind of the changed item: `LINK`, `MIRROR` or `JOURNAL`.
    pub subject: String,
    /// Name of the changed item.
    pub name: String,
    /// Kind of the change: `CREATED`, `ALTERED` or `REMOVED`.
    pub effect: String,
    /// Changed fields. Empty if the item was removed.
    pub fields: Vec<JournalField>,
}

/// One record of the journal: entry of `GET /clusters/{cluster}/journal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalRecordData {
    /// Always `KafkaJournalRecord`.
    pub kind: String,
    /// Sequence number. Records are numbered without gaps.
    pub sequence: u64,
    /// Time of the record, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Author of the change: an operator, or a part of Linkgate.
    pub who: String,
    /// Reason of the change, as readable text.
    pub why: String,
    /// All changes of the record. They take effect together.
    pub changes: Vec<JournalChange>,
    /// Number of changes that are left out of `changes`, because there are too many.
    #[serde(default)]
    pub omitted: usize,
}

/// Body of `POST /clusters/{cluster}/journal:backup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalBackupRequest {
    /// Name of the backup's directory; the current time if absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// A copy of the journal on the daemon's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalBackupData {
    /// Always `KafkaJournalBackup`.
    pub kind: String,
    /// Path of the backup's directory.
    pub path: String,
    /// Sequence number of the last record in the copy.
    pub sequence: u64,
}
