//! The reason for which a partition fails for good.

use state::model::MirrorError;

/// Reason why a partition cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFailure {
    /// Error class, as the REST API shows it.
    pub error: MirrorError,
    /// Offset and cause, as text for operators.
    pub reason: String,
}
