//! A config of a mirror topic that the destination did not take.

use super::task_status::TaskError;
use crate::client::ClientError;

/// An alteration that did not come about.
pub(super) struct Refused {
    pub(super) error: TaskError,
    /// It may come about later.
    pub(super) passes: bool,
}

impl Refused {
    pub(super) fn of(what: &str, error: &ClientError) -> Self {
        Refused { error: TaskError::of(what, error), passes: error.retriable() }
    }
}
