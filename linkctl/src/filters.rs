//! Checks the three JSON filters of a link before they are sent, by the daemon's own rules. No I/O.

use state::model::filter::{self, NameFilters};

/// Kind of a filter, named after the link config that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// `consumer.offset.group.filters`.
    Groups,
    /// `auto.create.mirror.topics.filters`.
    Topics,
    /// `acl.filters`.
    Acls,
}

/// Error: a filter is refused. The text names its origin and the position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin} is not a valid {expected} filter: {reason}")]
pub struct FilterError {
    /// File path, config name, or `the inline JSON`.
    pub origin: String,
    /// `consumer group`, `topic` or `ACL`.
    pub expected: &'static str,
    /// Reason, with line and column or with the path inside the JSON.
    pub reason: String,
}

impl FilterKind {
    /// All kinds.
    pub const ALL: [FilterKind; 3] = [FilterKind::Groups, FilterKind::Topics, FilterKind::Acls];

    /// Returns the name of the link config that holds the filter.
    #[must_use]
    pub fn config_name(self) -> &'static str {
        match self {
            FilterKind::Groups => "consumer.offset.group.filters",
            FilterKind::Topics => "auto.create.mirror.topics.filters",
            FilterKind::Acls => "acl.filters",
        }
    }

    /// Returns the kind of filter that the named link config holds.
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

    /// Checks `text` and returns it without surrounding white space.
    ///
    /// # Errors
    /// [`FilterError`] if `text` is not JSON, or does not have the shape of this filter.
    pub fn check<'a>(self, origin: &str, text: &'a str) -> Result<&'a str, FilterError> {
        let checked = match self {
            FilterKind::Groups => NameFilters::parse_groups(text).map(|_| ()),
            FilterKind::Topics => NameFilters::parse_topics(text).map(|_| ()),
            FilterKind::Acls => filter::parse_acls(text).map(|_| ()),
        };
        checked.map(|()| text.trim()).map_err(|err| FilterError {
            origin: origin.to_owned(),
            expected: self.noun(),
            // `$` is the path of the whole document and tells the reader nothing.
            reason: if err.path == "$" { format!("it {}", err.message) } else { err.to_string() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_filters_are_returned_unchanged() {
        let groups =
            r#" {"groupFilters": [{"name": "*","patternType": "LITERAL","filterType": "INCLUDE"}]} "#;
        assert_eq!(FilterKind::Groups.check("f", groups).unwrap(), groups.trim());
        let topics = r#"{"topicFilters":[{"name":"a","patternType":"PREFIXED","filterType":"WHITELIST"}]}"#;
        assert_eq!(FilterKind::Topics.check("f", topics).unwrap(), topics);
        let acls = r#"{"aclFilters":[{"resourceFilter":{"resourceType":"any","patternType":"any"},"accessFilter":{"operation":"any","permissionType":"any"}}]}"#;
        assert_eq!(FilterKind::Acls.check("f", acls).unwrap(), acls);
    }

    #[test]
    fn errors_name_the_line_or_the_path() {
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
