//! All sentences that `kafka-cluster-links` and `kafka-mirrors` print. No I/O.
//!
//! Scripts match these sentences, so they equal Confluent's, letter by letter, where those are publicly
//! known. Sentences marked *own wording* are not publicly known; they follow the nearest known one and may
//! change.

use crate::api::Action;
use crate::client::ClientError;

/// A link was created.
#[must_use]
pub fn link_created(link: &str) -> String {
    format!("Cluster link '{link}' creation successfully completed.")
}

/// A link could be created. *Own wording.*
#[must_use]
pub fn link_validated(link: &str) -> String {
    format!("Cluster link '{link}' creation successfully validated.")
}

/// A link was deleted.
#[must_use]
pub fn link_deleted(link: &str) -> String {
    format!("Cluster link '{link}' deletion successfully completed.")
}

/// There is no link. *Own wording.*
pub const NO_LINKS: &str = "No cluster links found.";
/// There is no mirror topic to show.
pub const NO_MIRRORS: &str = "No mirror topics found.";
/// Prefix of the errors of `kafka-cluster-links`. *Own wording.*
pub const LINK_ERROR_PREFIX: &str = "Error while executing cluster link command: ";
/// Prefix of the errors of `kafka-mirrors`.
pub const MIRROR_ERROR_PREFIX: &str = "Error while executing mirror command: ";

/// A mirror topic was created.
#[must_use]
pub fn mirror_created(topic: &str) -> String {
    format!("Created topic {topic}.")
}

/// First line that a promote prints.
#[must_use]
pub fn calculating_lag(topics: &[&str]) -> String {
    format!("Calculating max offset and ms lag for mirror topics: [{}]", topics.join(", "))
}

/// Second line that a promote prints.
#[must_use]
pub fn calculated_lag(topics: &[&str]) -> String {
    format!("Finished calculating max offset lag and max lag ms for mirror topics: [{}]", topics.join(", "))
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Pause => "pausing",
        Action::Resume => "unpausing",
        Action::Promote | Action::Failover => "stopping",
    }
}

/// An action was accepted. The sentences for pause and resume are *own wording*.
#[must_use]
pub fn scheduled(action: Action, topic: &str) -> String {
    let accepted =
        format!("Request for {} topic {topic}'s mirror was successfully scheduled.", doing(action));
    match action {
        Action::Pause | Action::Resume => accepted,
        Action::Promote | Action::Failover => format!(
            "{accepted} Please use the describe command with the --pending-stopped-only option to monitor progress."
        ),
    }
}

/// An action would be accepted. *Own wording.*
#[must_use]
pub fn validated(action: Action, topic: &str) -> String {
    format!("Request for {} topic {topic}'s mirror was successfully validated.", doing(action))
}

/// An action was refused for a topic. `code` is the `error_code` of the topic's entry in the answer.
#[must_use]
pub fn refused(action: Action, topic: &str, code: i32, message: &str) -> String {
    // Confluent's tool prints the Java exception that it caught, and scripts look for its name.
    let exception = match if code >= 1000 { code / 100 } else { code } {
        401 | 403 => "TopicAuthorizationException",
        404 => "UnknownTopicOrPartitionException",
        408 => "TimeoutException",
        400 | 409 | 422 => "InvalidRequestException",
        _ => "UnknownServerException",
    };
    format!(
        "Error encountered while {} topic {topic}'s mirror: java.util.concurrent.ExecutionException: \
         org.apache.kafka.common.errors.{exception}: {message}",
        doing(action)
    )
}

/// The topic is not a mirror topic. *Own wording.*
#[must_use]
pub fn not_a_mirror(topic: &str) -> String {
    format!("Topic '{topic}' is not a mirror topic.")
}

/// The action belongs to later versions of Confluent's tool. *Own wording.*
#[must_use]
pub fn unsupported(option: &str) -> String {
    format!(
        "--{option} is not supported by this version of Linkgate: it belongs to bidirectional links, and Linkgate's \
         links go one way. Nothing was done."
    )
}

/// Returns the server's message, without the prefix that its REST layer adds for a missing link.
#[must_use]
pub fn server_message(err: &ClientError) -> String {
    let text = err.to_string();
    match text.strip_prefix("The cluster link doesn't exist: ") {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_equal_those_of_the_public_walkthrough() {
        assert_eq!(link_created("test-link"), "Cluster link 'test-link' creation successfully completed.");
        assert_eq!(
            scheduled(Action::Failover, "users"),
            "Request for stopping topic users's mirror was successfully scheduled. Please use the describe command \
             with the --pending-stopped-only option to monitor progress."
        );
        assert_eq!(
            refused(Action::Promote, "t", 400, "Topic 't' has already stopped its mirror from 'l'"),
            "Error encountered while stopping topic t's mirror: java.util.concurrent.ExecutionException: \
             org.apache.kafka.common.errors.InvalidRequestException: Topic 't' has already stopped its mirror from 'l'"
        );
        assert!(refused(Action::Pause, "t", 40403, "m").contains("UnknownTopicOrPartitionException: m"));
    }
}
