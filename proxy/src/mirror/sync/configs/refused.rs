//! A refused change to a config of a mirror topic.

use crate::client::ClientError;
use crate::mirror::sync::task_status::RoundError;

/// A config change that the destination refused, or that failed.
pub(crate) struct RefusedConfig {
    pub(crate) error: RoundError,
    /// True if it may succeed later.
    pub(crate) passes: bool,
}

impl RefusedConfig {
    pub(crate) fn of(what: &str, error: &ClientError) -> Self {
        RefusedConfig { error: RoundError::of(what, error), passes: error.retriable() }
    }
}
