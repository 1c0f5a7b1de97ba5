//! Errors of commands, one constructor per case, so that each text is in one place. The REST API maps kinds to codes.

use crate::mirror::command::types::{CommandError, CommandErrorKind};

fn refuse(kind: CommandErrorKind, message: String) -> CommandError {
    CommandError { kind, message }
}

/// Returns the error for a request, or a config in it, that is invalid.
pub(crate) fn invalid(message: impl Into<String>) -> CommandError {
    refuse(CommandErrorKind::Invalid, message.into())
}

/// Returns the error for a link that does not exist.
pub(crate) fn no_such_link(name: &str) -> CommandError {
    refuse(
        CommandErrorKind::NoSuchLink,
        format!("The cluster link doesn't exist: Cluster link '{name}' does not exist."),
    )
}

/// Returns the error for a new link whose name is taken.
pub(crate) fn link_exists(name: &str) -> CommandError {
    refuse(CommandErrorKind::LinkExists, format!("Cluster link '{name}' already exists."))
}

/// Returns the error for deleting a link that has mirror topics that are not stopped, without force.
pub(crate) fn link_in_use(name: &str, topics: &[&str]) -> CommandError {
    refuse(
        CommandErrorKind::LinkInUse,
        format!(
            "Cluster link '{name}' has mirror topics that are not stopped: {}. Promote or fail them over first, or \
             delete with force, which fails them over.",
            topics.join(", ")
        ),
    )
}

/// Returns the error for deleting a link while a promote is under way.
pub(crate) fn promote_under_way(name: &str, topic: &str) -> CommandError {
    refuse(
        CommandErrorKind::LinkInUse,
        format!(
            "Cluster link '{name}' cannot be deleted while topic '{topic}' is being promoted. Wait until it is STOPPED, \
             or fail it over."
        ),
    )
}

/// Returns the error for a backup that cannot be made now, or not under this name.
pub(crate) fn backup_refused(message: String) -> CommandError {
    refuse(CommandErrorKind::BackupRefused, message)
}

/// Returns the error for an operation that began and did not finish within the time of a request.
pub(crate) fn not_finished(message: impl Into<String>) -> CommandError {
    refuse(CommandErrorKind::NotFinished, message.into())
}

/// Returns the error for a request that a cluster did not authorise.
pub(crate) fn not_authorized(message: impl Into<String>) -> CommandError {
    refuse(CommandErrorKind::NotAuthorized, message.into())
}

/// Returns the error for a new topic whose name is taken.
pub(crate) fn topic_exists(topic: &str) -> CommandError {
    invalid(format!("Topic '{topic}' already exists."))
}

/// Returns the error for a topic that the source does not have.
pub(crate) fn no_such_source_topic(topic: &str) -> CommandError {
    refuse(CommandErrorKind::NoSuchSourceTopic, format!("Topic '{topic}' does not exist."))
}

/// Returns the error for a name of a mirror topic that is not prefix + source topic.
pub(crate) fn renaming() -> CommandError {
    refuse(CommandErrorKind::Renaming, "Topic renaming for mirroring not yet supported".to_owned())
}

/// Returns the error for a topic that is not a mirror topic (of this link).
pub(crate) fn not_a_mirror(topic: &str) -> CommandError {
    refuse(CommandErrorKind::NotAMirror, format!("Topic '{topic}' is not a mirror topic."))
}

/// Returns the error for an action that the state of the mirror topic does not allow.
pub(crate) fn illegal(message: String) -> CommandError {
    refuse(CommandErrorKind::IllegalState, message)
}

/// Returns the error for a source that does not answer, or whose answer is unusable.
pub(crate) fn source_unusable(message: impl Into<String>) -> CommandError {
    invalid(message)
}

/// Returns the error for a destination that does not answer, or a journal that cannot be written.
pub(crate) fn internal(message: impl Into<String>) -> CommandError {
    refuse(CommandErrorKind::Internal, message.into())
}

/// Returns the error for a command that comes before the clearance is decided.
pub(crate) fn not_cleared_yet() -> CommandError {
    let message = "The journal has not been compared with its stamp on the destination yet; try again.";
    refuse(CommandErrorKind::NotClearedYet, message.to_owned())
}

/// Returns the error for a journal that may not be used: it is an old copy, or it belongs to another cluster.
pub(crate) fn not_cleared(message: impl Into<String>) -> CommandError {
    refuse(CommandErrorKind::NotCleared, message.into())
}
