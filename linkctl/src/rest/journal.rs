//! The journal as it can be read: who changed what, when and why. And copies of it.

use serde::{Deserialize, Serialize};

/// A field of a link or mirror topic that got another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalField {
    /// Its name; `configs.NAME` for a config of a link.
    pub field: String,
    /// The value before, cut at 200 characters; null for none. Secrets are hidden.
    #[serde(default)]
    pub before: Option<String>,
    /// The value since then, likewise.
    #[serde(default)]
    pub after: Option<String>,
}

/// What became of a link or mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalChange {
    /// `LINK`, `MIRROR` or `JOURNAL`.
    pub subject: String,
    /// Its name.
    pub name: String,
    /// `CREATED`, `ALTERED` or `REMOVED`.
    pub effect: String,
    /// The fields with another value; none of what was removed.
    pub fields: Vec<JournalField>,
}

/// Entry of `GET /clusters/{cluster}/journal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalRecordData {
    /// `KafkaJournalRecord`.
    pub kind: String,
    /// Its number; records are numbered without gaps.
    pub sequence: u64,
    /// When it was written, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Who asked for it: an operator, or a part of Linkgate.
    pub who: String,
    /// Why, for people.
    pub why: String,
    /// What changed, all of it at once.
    pub changes: Vec<JournalChange>,
    /// How many changes are left out because there are too many.
    #[serde(default)]
    pub omitted: usize,
}

/// Body of `POST /clusters/{cluster}/journal:backup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalBackupRequest {
    /// Name of its directory; the time when absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// A copy of the journal, on the daemon's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalBackupData {
    /// `KafkaJournalBackup`.
    pub kind: String,
    /// Its directory.
    pub path: String,
    /// The last record in it.
    pub sequence: u64,
}
