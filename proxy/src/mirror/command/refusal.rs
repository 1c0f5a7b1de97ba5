//! Why a command is refused: one constructor per case, so that a text and its code stand in one place.

use crate::mirror::handle::CommandError;

/// `error_code` of a request that a Kafka broker would refuse as invalid.
const INVALID: i32 = 40_002;

fn refuse(status: u16, error_code: i32, message: String) -> CommandError {
    CommandError { status, error_code, message }
}

/// The request or a config in it is not valid.
pub(super) fn invalid(message: impl Into<String>) -> CommandError {
    refuse(400, INVALID, message.into())
}

/// There is no such link.
pub(crate) fn no_such_link(name: &str) -> CommandError {
    refuse(404, 404, format!("The cluster link doesn't exist: Cluster link '{name}' does not exist."))
}

/// The link is there already.
pub(super) fn link_exists(name: &str) -> CommandError {
    refuse(409, 40_902, format!("Cluster link '{name}' already exists."))
}

/// A link with mirror topics is not deleted without force.
pub(super) fn link_in_use(name: &str, topics: &[&str]) -> CommandError {
    refuse(
        403,
        40_301,
        format!(
            "Cluster link '{name}' has mirror topics that are not stopped: {}. Promote or fail them over first, or \
             delete with force, which fails them over.",
            topics.join(", ")
        ),
    )
}

/// A link is not deleted while a promote is under way.
pub(super) fn promote_under_way(name: &str, topic: &str) -> CommandError {
    refuse(
        403,
        40_301,
        format!(
            "Cluster link '{name}' cannot be deleted while topic '{topic}' is being promoted. Wait until it is STOPPED, \
             or fail it over."
        ),
    )
}

/// A backup is not made now, or not under this name.
pub(super) fn backup_refused(message: String) -> CommandError {
    refuse(409, 409, message)
}

/// Something was begun and is not finished within the time of a request.
pub(super) fn not_finished(message: impl Into<String>) -> CommandError {
    refuse(408, 408, message.into())
}

/// A cluster did not authorise it.
pub(super) fn not_authorized(message: impl Into<String>) -> CommandError {
    refuse(403, 40_301, message.into())
}

/// The topic is there already.
pub(super) fn topic_exists(topic: &str) -> CommandError {
    invalid(format!("Topic '{topic}' already exists."))
}

/// The source has no such topic.
pub(super) fn no_such_source_topic(topic: &str) -> CommandError {
    refuse(404, 40_403, format!("Topic '{topic}' does not exist."))
}

/// The mirror topic's name is not prefix + source topic.
pub(super) fn renaming() -> CommandError {
    refuse(400, 40_035, "Topic renaming for mirroring not yet supported".to_owned())
}

/// The topic is no mirror topic (of this link).
pub(crate) fn not_a_mirror(topic: &str) -> CommandError {
    refuse(404, 404, format!("Topic '{topic}' is not a mirror topic."))
}

/// The state of the mirror topic does not allow the action.
pub(super) fn illegal(message: String) -> CommandError {
    refuse(400, 400, message)
}

/// The source does not answer, or not as it should.
pub(super) fn source_unusable(message: impl Into<String>) -> CommandError {
    invalid(message)
}

/// The destination does not answer, or the journal cannot be written.
pub(super) fn internal(message: impl Into<String>) -> CommandError {
    refuse(500, 50_002, message.into())
}

/// Whether the journal may be worked by is not known yet.
pub(super) fn not_cleared_yet() -> CommandError {
    let message = "The journal has not been held against its stamp at the destination yet; try again.";
    refuse(503, 50_003, message.to_owned())
}

/// The journal may not be worked by: it is an old copy, or of another cluster.
pub(super) fn not_cleared(message: impl Into<String>) -> CommandError {
    refuse(503, 50_004, message.into())
}
