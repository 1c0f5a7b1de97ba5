//! How the periodic tasks of each link fare: written by the syncers, read by the admin API.
//!
//! What follows from the link itself (paused, unavailable, not configured) is derived when asked, so that it can never
//! disagree with the link; the table holds only the errors of the last round. Changes are logged once, not every round.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use state::model::LinkState;

use super::handle::TaskStatus;
use crate::client::{ClientError, Side};
use crate::wire::error_code::ErrorCode;

/// Errors shown per task; the rest is counted in one `SUPPRESSED_ERRORS` entry.
const SHOWN_ERRORS: usize = 20;

/// A periodic task of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Copies ACLs.
    AclSync,
    /// Creates mirror topics for matching source topics.
    AutoCreateMirror,
    /// Copies committed offsets of consumer groups.
    ConsumerOffsetSync,
    /// Makes topic configs follow the source.
    TopicConfigsSync,
}

impl Task {
    /// All tasks, in the order in which they are shown.
    pub const ALL: [Task; 4] =
        [Task::AclSync, Task::AutoCreateMirror, Task::ConsumerOffsetSync, Task::TopicConfigsSync];

    /// `task_name` of the REST API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Task::AclSync => "AclSync",
            Task::AutoCreateMirror => "AutoCreateMirror",
            Task::ConsumerOffsetSync => "ConsumerOffsetSync",
            Task::TopicConfigsSync => "TopicConfigsSync",
        }
    }
}

/// `error_code` of a task's error, as the REST API knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskErrorCode {
    /// The source refused the credentials.
    Authentication,
    /// The source refused the operation.
    Authorization,
    /// The destination refused the operation.
    BrokerAuthorization,
    /// A group has members on the destination.
    ConsumerGroupInUse,
    /// Anything that is nobody's configuration.
    Internal,
    /// The destination refused a value.
    InvalidRequest,
    /// The link's configs do not fit together.
    Misconfiguration,
    /// A policy of the destination refused a value.
    PolicyViolation,
    /// A topic is not there.
    UnknownTopicOrPartition,
}

impl TaskErrorCode {
    /// The name that the REST API uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TaskErrorCode::Authentication => "AUTHENTICATION_ERROR",
            TaskErrorCode::Authorization => "AUTHORIZATION_ERROR",
            TaskErrorCode::BrokerAuthorization => "BROKER_AUTHORIZATION_ERROR",
            TaskErrorCode::ConsumerGroupInUse => "CONSUMER_GROUP_IN_USE_ERROR",
            TaskErrorCode::Internal => "INTERNAL_ERROR",
            TaskErrorCode::InvalidRequest => "INVALID_REQUEST_ERROR",
            TaskErrorCode::Misconfiguration => "MISCONFIGURATION_ERROR",
            TaskErrorCode::PolicyViolation => "POLICY_VIOLATION_ERROR",
            TaskErrorCode::UnknownTopicOrPartition => "UNKNOWN_TOPIC_OR_PARTITION_ERROR",
        }
    }
}

/// One thing that went wrong in a round of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// Its class.
    pub code: TaskErrorCode,
    /// What happened, for people.
    pub message: String,
}

impl TaskError {
    /// An error of the given class.
    pub fn new(code: TaskErrorCode, message: impl Into<String>) -> Self {
        TaskError { code, message: message.into() }
    }

    /// A request of the task that failed; `what` is what could not be done.
    #[must_use]
    pub fn of(what: &str, error: &ClientError) -> Self {
        let code = match (error.code(), error.side) {
            (
                Some(
                    ErrorCode::TOPIC_AUTHORIZATION_FAILED
                    | ErrorCode::GROUP_AUTHORIZATION_FAILED
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
                ),
                side,
            ) => match side {
                Side::Source => TaskErrorCode::Authorization,
                Side::Destination => TaskErrorCode::BrokerAuthorization,
            },
            (Some(ErrorCode::SASL_AUTHENTICATION_FAILED), _) => TaskErrorCode::Authentication,
            (Some(ErrorCode::POLICY_VIOLATION), _) => TaskErrorCode::PolicyViolation,
            (Some(ErrorCode::INVALID_CONFIG | ErrorCode::INVALID_REQUEST), _) => {
                TaskErrorCode::InvalidRequest
            }
            (Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), _) => TaskErrorCode::UnknownTopicOrPartition,
            _ => TaskErrorCode::Internal,
        };
        TaskError { code, message: format!("{what}: {error}") }
    }
}

type ErrorsByTask = HashMap<(String, Task), Vec<TaskError>>;

/// The errors of the last round of every task of every link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TaskTable(Arc<Mutex<ErrorsByTask>>);

impl TaskTable {
    /// Replaces what the last round of a task left behind.
    pub fn set(&self, link: &str, task: Task, errors: Vec<TaskError>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry((link.to_owned(), task)).or_default();
        if *known == errors {
            return;
        }
        match errors.first() {
            Some(first) => tracing::warn!(
                link, task = task.name(), errors = errors.len(), code = first.code.name(),
                error = %first.message, "task of the link has errors"
            ),
            None => tracing::info!(link, task = task.name(), "task of the link works again"),
        }
        *known = errors;
    }

    /// Adds errors to those of the last round, until the next one replaces them all.
    pub fn add(&self, link: &str, task: Task, errors: impl IntoIterator<Item = TaskError>) {
        let mut known = self.errors(link, task);
        for error in errors {
            if !known.contains(&error) {
                known.push(error);
            }
        }
        self.set(link, task, known);
    }

    /// The errors that the last round left behind.
    #[must_use]
    pub fn errors(&self, link: &str, task: Task) -> Vec<TaskError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(link.to_owned(), task)).cloned().unwrap_or_default()
    }

    /// Forgets a link.
    pub fn forget(&self, link: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(name, _), _| name != link);
    }
}

/// What a task shows, given its link's state, whether it is switched on, and the errors of its last round.
#[must_use]
pub fn status(task: Task, link: LinkState, enabled: bool, errors: &[TaskError]) -> TaskStatus {
    let state = match link {
        _ if !enabled => "NOT_CONFIGURED",
        LinkState::Paused => "LINK_PAUSED",
        LinkState::Unavailable => "LINK_UNAVAILABLE",
        LinkState::Failed => "LINK_FAILED",
        LinkState::Active if errors.is_empty() => "ACTIVE",
        LinkState::Active => "IN_ERROR",
    };
    let shown = if enabled { errors } else { &[] };
    let mut listed: Vec<_> = shown
        .iter()
        .take(SHOWN_ERRORS)
        .map(|error| (error.code.name().to_owned(), error.message.clone()))
        .collect();
    if shown.len() > SHOWN_ERRORS {
        let more = format!("{} more errors", shown.len() - SHOWN_ERRORS);
        listed.push(("SUPPRESSED_ERRORS".to_owned(), more));
    }
    TaskStatus { name: task.name(), state, errors: listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use() -> TaskError {
        TaskError::new(TaskErrorCode::ConsumerGroupInUse, "group 'g' has members")
    }

    #[test]
    fn the_link_decides_before_the_errors() {
        let state = |link, enabled, errors: &[TaskError]| {
            status(Task::ConsumerOffsetSync, link, enabled, errors).state
        };
        assert_eq!(state(LinkState::Active, true, &[]), "ACTIVE");
        assert_eq!(state(LinkState::Active, true, &[in_use()]), "IN_ERROR");
        assert_eq!(state(LinkState::Active, false, &[in_use()]), "NOT_CONFIGURED");
        assert_eq!(state(LinkState::Paused, true, &[in_use()]), "LINK_PAUSED");
        assert_eq!(state(LinkState::Unavailable, true, &[]), "LINK_UNAVAILABLE");
        assert_eq!(state(LinkState::Failed, true, &[]), "LINK_FAILED");
        assert_eq!(state(LinkState::Paused, false, &[]), "NOT_CONFIGURED");
    }

    #[test]
    fn errors_have_the_names_of_the_rest_api_and_an_end() {
        let one = status(Task::ConsumerOffsetSync, LinkState::Active, true, &[in_use()]);
        assert_eq!(
            one.errors,
            [("CONSUMER_GROUP_IN_USE_ERROR".to_owned(), "group 'g' has members".to_owned())]
        );
        let many = vec![in_use(); 25];
        let all = status(Task::ConsumerOffsetSync, LinkState::Active, true, &many);
        assert_eq!(all.errors.len(), 21);
        assert_eq!(all.errors[20], ("SUPPRESSED_ERRORS".to_owned(), "5 more errors".to_owned()));
    }

    #[test]
    fn a_round_replaces_the_errors_of_the_one_before() {
        let table = TaskTable::default();
        table.set("a", Task::ConsumerOffsetSync, vec![in_use()]);
        table.set("b", Task::ConsumerOffsetSync, vec![in_use()]);
        table.set("a", Task::ConsumerOffsetSync, Vec::new());
        assert!(table.errors("a", Task::ConsumerOffsetSync).is_empty());
        assert_eq!(table.errors("b", Task::ConsumerOffsetSync), [in_use()]);
        let unread = TaskError::new(TaskErrorCode::Internal, "group 'h' cannot be read");
        table.add("b", Task::ConsumerOffsetSync, [in_use(), unread.clone()]);
        assert_eq!(table.errors("b", Task::ConsumerOffsetSync), [in_use(), unread]);
        table.forget("b");
        assert!(table.errors("b", Task::ConsumerOffsetSync).is_empty());
    }
}
