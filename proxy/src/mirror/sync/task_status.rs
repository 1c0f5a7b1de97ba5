//! Status of the periodic tasks of each link. The sync tasks write it, the admin API reads it.
//!
//! States that follow from the link itself (paused, unavailable, not configured) are derived at each query,
//! so they cannot disagree with the link. The table holds only the errors of the last round. Changes are
//! logged once, not in every round.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use state::model::LinkState;
use strum::{IntoStaticStr, VariantArray};

use crate::client::{ClientError, Side};

use crate::wire::protocol::error_code::ErrorCode;

/// Maximum number of errors shown per task. One `SUPPRESSED_ERRORS` entry counts the rest.
const SHOWN_ERRORS: usize = 20;

/// A periodic task of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "PascalCase")]
pub enum Task {
    /// Copies ACLs.
    AclSync,
    /// Creates mirror topics for matching source topics.
    AutoCreateMirror,
    /// Copies committed offsets of consumer groups.
    ConsumerOffsetSync,
    /// Copies topic configs from the source.
    TopicConfigsSync,
}

impl Task {
    /// All tasks, in the order in which they are shown.
    pub const ALL: &'static [Task] = Task::VARIANTS;

    /// Returns the `task_name` of the REST API.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// `error_code` of a task's error in the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", suffix = "_ERROR")]
pub enum TaskErrorCode {
    /// The source refused the credentials.
    Authentication,
    /// The source refused the operation.
    Authorization,
    /// The destination refused the operation.
    BrokerAuthorization,
    /// A group has members on the destination.
    ConsumerGroupInUse,
    /// Any other error. No configuration is its cause.
    Internal,
    /// The destination refused a value.
    InvalidRequest,
    /// The link's configs are inconsistent or incomplete.
    Misconfiguration,
    /// A policy of the destination refused a value.
    PolicyViolation,
    /// A topic does not exist.
    UnknownTopicOrPartition,
}

impl TaskErrorCode {
    /// Returns the name in the REST API.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One error in a round of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundError {
    /// Class of the error.
    pub code: TaskErrorCode,
    /// Description for operators.
    pub message: String,
}

impl RoundError {
    /// Creates an error of the given class.
    pub fn new(code: TaskErrorCode, message: impl Into<String>) -> Self {
        RoundError { code, message: message.into() }
    }

    /// Creates the error of a failed request. `what` says what could not be done.
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
        RoundError { code, message: format!("{what}: {error}") }
    }
}

type ErrorsByTask = HashMap<(String, Task), Vec<RoundError>>;

/// Errors of the last round of every task of every link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TaskTable(Arc<Mutex<ErrorsByTask>>);

impl TaskTable {
    /// Replaces the errors of the last round of a task.
    pub fn set(&self, link: &str, task: Task, errors: Vec<RoundError>) {
        let mut all = self.0.lock();
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

    /// Adds errors to those of the last round. The next round replaces them all.
    pub fn add(&self, link: &str, task: Task, errors: impl IntoIterator<Item = RoundError>) {
        let mut known = self.errors(link, task);
        for error in errors {
            if !known.contains(&error) {
                known.push(error);
            }
        }
        self.set(link, task, known);
    }

    /// Returns the errors of the last round.
    #[must_use]
    pub fn errors(&self, link: &str, task: Task) -> Vec<RoundError> {
        let all = self.0.lock();
        all.get(&(link.to_owned(), task)).cloned().unwrap_or_default()
    }

    /// Forgets the errors of a link.
    pub fn forget(&self, link: &str) {
        let mut all = self.0.lock();
        all.retain(|(name, _), _| name != link);
    }
}

/// Returns the status of a task, from the state of its link, whether the task is enabled, and the errors of
/// its last round.
#[must_use]
pub(crate) fn status(task: Task, link: LinkState, enabled: bool, errors: &[RoundError]) -> TaskStatus {
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

/// State of a periodic task of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// `ConsumerOffsetSync`, `TopicConfigsSync`, `AclSync` or `AutoCreateMirror`.
    pub name: &'static str,
    /// `ACTIVE`, `IN_ERROR`, `NOT_CONFIGURED`, `LINK_PAUSED`, `LINK_UNAVAILABLE` or `LINK_FAILED`.
    pub state: &'static str,
    /// Code (`CONSUMER_GROUP_IN_USE_ERROR`, …) and message of each error.
    pub errors: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use() -> RoundError {
        RoundError::new(TaskErrorCode::ConsumerGroupInUse, "group 'g' has members")
    }

    #[test]
    fn the_state_of_the_link_takes_precedence_over_errors() {
        let state = |link, enabled, errors: &[RoundError]| {
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
    fn errors_have_the_names_of_the_rest_api_and_their_number_is_limited() {
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
        let unread = RoundError::new(TaskErrorCode::Internal, "group 'h' cannot be read");
        table.add("b", Task::ConsumerOffsetSync, [in_use(), unread.clone()]);
        assert_eq!(table.errors("b", Task::ConsumerOffsetSync), [in_use(), unread]);
        table.forget("b");
        assert!(table.errors("b", Task::ConsumerOffsetSync).is_empty());
    }
}
