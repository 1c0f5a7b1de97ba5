//! Checks the names of links and mirror topics.

use crate::mirror::command::types::CommandError;

use crate::mirror::command::refusal;

/// Maximum length of a name, in bytes. Kafka's limit for topics, which comes from the names of log
/// directories.
const MAX_LENGTH: usize = 249;

/// Topics that Kafka uses internally.
const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// Checks the name of a link. `-` is refused: it means "any link" in REST paths.
pub(crate) fn check_link(name: &str) -> Result<(), CommandError> {
    if name == "-" {
        return Err(refusal::invalid("Cluster link name '-' is reserved: it stands for all links."));
    }
    check("Cluster link name", name)
}

/// Checks the name of a mirror topic by Kafka's rules.
pub(crate) fn check_topic(name: &str) -> Result<(), CommandError> {
    check("Topic name", name)
}

/// Returns true if Kafka uses the topic internally.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL.contains(&topic)
}

fn check(what: &str, name: &str) -> Result<(), CommandError> {
    let fault = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > MAX_LENGTH {
        format!("the length of '{name}' is longer than the max allowed length {MAX_LENGTH}")
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(refusal::invalid(format!("{what} is invalid: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::command::types::CommandErrorKind;

    fn message(result: Result<(), CommandError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::Invalid);
        error.message
    }

    #[test]
    fn legal_names_pass() {
        for name in ["a", "west.orders", "A-b_c.9", &"x".repeat(249)] {
            check_link(name).unwrap();
            check_topic(name).unwrap();
        }
        check_topic("-").unwrap();
    }

    #[test]
    fn illegal_names_say_why() {
        assert!(message(check_link("-")).contains("reserved"));
        assert!(message(check_link("")).contains("empty"));
        assert!(message(check_topic("..")).contains("'..'"));
        assert!(message(check_topic("a/b")).contains("a/b"));
        assert!(message(check_topic("é")).contains("alphanumerics"));
        assert!(message(check_topic(&"x".repeat(250))).contains("longer than the max allowed length 249"));
    }
}
