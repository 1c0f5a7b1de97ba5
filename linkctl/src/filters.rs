//! The three JSON filters of a link, checked before they are sent. Pure; the server checks them again.

use serde::Deserialize;

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
            FilterKind::Groups => serde_json::from_str::<GroupFilters>(text).map(|_| ()),
            FilterKind::Topics => serde_json::from_str::<TopicFilters>(text).map(|_| ()),
            FilterKind::Acls => serde_json::from_str::<AclFilters>(text).map(|_| ()),
        };
        checked.map(|()| text.trim()).map_err(|err| FilterError {
            origin: origin.to_owned(),
            expected: self.noun(),
            reason: err.to_string(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct GroupFilters {
    group_filters: Vec<NameFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct TopicFilters {
    topic_filters: Vec<NameFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct NameFilter {
    name: String,
    pattern_type: NamePattern,
    filter_type: FilterType,
}

#[derive(Deserialize)]
enum NamePattern {
    #[serde(rename = "LITERAL", alias = "literal")]
    Literal,
    #[serde(rename = "PREFIXED", alias = "prefixed")]
    Prefixed,
}

#[derive(Deserialize)]
enum FilterType {
    #[serde(rename = "INCLUDE", alias = "include", alias = "WHITELIST", alias = "whitelist")]
    Include,
    #[serde(rename = "EXCLUDE", alias = "exclude", alias = "BLACKLIST", alias = "blacklist")]
    Exclude,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct AclFilters {
    acl_filters: Vec<AclFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct AclFilter {
    resource_filter: ResourceFilter,
    access_filter: AccessFilter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct ResourceFilter {
    resource_type: Option<String>,
    pattern_type: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct AccessFilter {
    operation: Option<String>,
    permission_type: Option<String>,
    principal: Option<String>,
    host: Option<String>,
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
            "filters.json is not a valid consumer group filter: expected value at line 2 column 3"
        );
        let wrong = text(FilterKind::Topics, r#"{"groupFilters":[]}"#);
        assert!(wrong.contains("unknown field `groupFilters`, expected `topicFilters`"), "{wrong}");
        let glob = r#"{"groupFilters":[{"name":"a","patternType":"GLOB","filterType":"INCLUDE"}]}"#;
        let wrong = text(FilterKind::Groups, glob);
        assert!(wrong.contains("unknown variant `GLOB`") && wrong.contains("column"), "{wrong}");
    }
}
