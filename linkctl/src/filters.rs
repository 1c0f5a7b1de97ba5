//! The three JSON filters of a link, checked before they are sent, by the rules that the daemon applies. Pure.

use state::model::filter::{self, NameFilters};

/// Which filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// `consumer.offset.group.filters`.
    Groups,
    /// `auto.create.mirror.topics.filters`.
    Topics,
    /// `acl.filters`.
    Acls,
}

/// Why a filter is refused; the text names where it came from and the position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin} is not a valid {expected} filter: {reason}")]
pub struct FilterError {
    /// A file or a flag.
    pub origin: String,
    /// `consumer group`, `topic` or `ACL`.
    pub expected: &'static str,
    /// What is wrong, and at which line and column.
    pub reason: String,
}

impl FilterKind {
    /// All of them.
    pub const ALL: [FilterKind; 3] = [FilterKind::Groups, FilterKind::Topics, FilterKind::Acls];

    /// The link config that holds it.
    #[must_use]
    pub fn config_name(self) -> &'static str {
        match self {
            FilterKind::Groups => "consumer.offset.group.filters",
            FilterKind::Topics => "auto.create.mirror.topics.filters",
            FilterKind::Acls => "acl.filters",
        }
    }

    /// The kind held by a link config of that name.
    #[must_use]
    pub fn of_config(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.config_name() == name)
    }

    fn noun(self) -> &'static str {
        match self {
            FilterKind::Groups => "consumer group",
            FilterKind::Topics => "topic",
            FilterKind::Acls => "ACL",
        }
    }

    /// Checks `text` and returns it without the white space around it.
    ///
    /// # Errors
    /// [`FilterError`] when it is no JSON or not of the filter's shape.
    pub fn check<'a>(self, origin: &str, text: &'a str) -> Result<&'a str, FilterError> {
        let checked = match self {
            FilterKind::Groups => NameFilters::parse_groups(text).map(|_| ()),
            FilterKind::Topics => NameFilters::parse_topics(text).map(|_| ()),
            FilterKind::Acls => filter::parse_acls(text).map(|_| ()),
        };
        checked.map(|()| text.trim()).map_err(|err| FilterError {
            origin: origin.to_owned(),
            expected: self.noun(),
            // The path of the document itself says nothing.
            reason: if err.path == "$" { format!("it {}", err.message) } else { err.to_string() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_filters_pass_as_they_are() {
        let groups =
            r#" {"groupFilters": [{"name": "*","patternType": "LITERAL","filterType": "INCLUDE"}]} "#;
        assert_eq!(FilterKind::Groups.check("f", groups).unwrap(), groups.trim());
        let topics = r#"{"topicFilters":[{"name":"a","patternType":"PREFIXED","filterType":"WHITELIST"}]}"#;
        assert_eq!(FilterKind::Topics.check("f", topics).unwrap(), topics);
        let acls = r#"{"aclFilters":[{"resourceFilter":{"resourceType":"any","patternType":"any"},"accessFilter":{"operation":"any","permissionType":"any"}}]}"#;
        assert_eq!(FilterKind::Acls.check("f", acls).unwrap(), acls);
    }

    #[test]
    fn mistakes_are_named_with_their_position() {
        let text = |kind: FilterKind, json: &str| kind.check("filters.json", json).unwrap_err().to_string();
        assert_eq!(
            text(FilterKind::Groups, "{\"groupFilters\":\n [}"),
            "filters.json is not a valid consumer group filter: it is not JSON: expected value at line 2 column 3"
        );
        let wrong = text(FilterKind::Topics, r#"{"groupFilters":[]}"#);
        assert!(wrong.contains("topicFilters"), "{wrong}");
        let glob = r#"{"groupFilters":[{"name":"a","patternType":"GLOB","filterType":"INCLUDE"}]}"#;
        let wrong = text(FilterKind::Groups, glob);
        assert!(wrong.contains("groupFilters[0].patternType") && wrong.contains("GLOB"), "{wrong}");
    }
}
