//! Reasons for which the request direction of a session ends.

use crate::gateway::error::SessionError;

/// Signal that the response direction has ended, so that the request direction ends too.
pub(crate) struct Gone;

pub(crate) enum RequestEnd {
    Gone,
    Failed(SessionError),
}

impl From<Gone> for RequestEnd {
    fn from(Gone: Gone) -> Self {
        RequestEnd::Gone
    }
}

impl From<SessionError> for RequestEnd {
    fn from(error: SessionError) -> Self {
        RequestEnd::Failed(error)
    }
}
