//! JSON filters in link configs: they select the groups, topics and ACLs of a link.
//!
//! A name is selected if an INCLUDE filter matches it and no EXCLUDE filter does, in any order. `PREFIXED` is
//! not a glob: an asterisk is special only as the whole name of a `LITERAL` filter.

use serde_json::{Map, Value};

/// An error in a filter document, with its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FilterError {
    /// The field, for example `groupFilters[1].patternType`, or `$` for the document.
    pub path: String,
    /// Description of the error.
    pub message: String,
}

/// Way of comparing a name with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternType {
    /// The name is equal to the filter's. The filter name `*` matches every name.
    Literal,
    /// The name begins with the filter's.
    Prefixed,
}

/// Meaning of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterType {
    /// Select the name.
    Include,
    /// Do not select the name, whatever else matches.
    Exclude,
}

/// One entry of a group or topic filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFilter {
    /// Name, prefix, or `*`.
    pub name: String,
    /// Way of comparing.
    pub pattern: PatternType,
    /// Meaning of a match.
    pub filter: FilterType,
}

impl NameFilter {
    /// Returns true if this entry matches the name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.pattern {
            PatternType::Literal => self.name == "*" || self.name == name,
            PatternType::Prefixed => name.starts_with(&self.name),
        }
    }
}

/// The entries of a group or topic filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameFilters(pub Vec<NameFilter>);

impl NameFilters {
    /// Parses `consumer.offset.group.filters`: `{"groupFilters":[…]}`.
    ///
    /// # Errors
    /// Returns the first error, with its path.
    pub fn parse_groups(json: &str) -> Result<Self, FilterError> {
        Self::parse(json, "groupFilters")
    }

    /// Parses `auto.create.mirror.topics.filters`: `{"topicFilters":[…]}`.
    ///
    /// # Errors
    /// Returns the first error, with its path.
    pub fn parse_topics(json: &str) -> Result<Self, FilterError> {
        Self::parse(json, "topicFilters")
    }

    /// Returns true if the filters select the name. An empty list selects nothing.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut included = false;
        for filter in self.0.iter().filter(|filter| filter.matches(name)) {
            match filter.filter {
                FilterType::Exclude => return false,
                FilterType::Include => included = true,
            }
        }
        included
    }

    fn parse(json: &str, list: &str) -> Result<Self, FilterError> {
        let entries = entries(json, list)?;
        let read = |(index, value): (usize, &Value)| {
            let path = format!("{list}[{index}]");
            let object = object(value, &path, &["name", "patternType", "filterType"])?;
            let name = required(object, &path, "name")?;
            if name.is_empty() {
                return fail(format!("{path}.name"), "must not be empty");
            }
            let pattern = one_of(
                object,
                &path,
                "patternType",
                &[("LITERAL", PatternType::Literal), ("PREFIXED", PatternType::Prefixed)],
            )?;
            let filter = one_of(
                object,
                &path,
                "filterType",
                &[
                    ("INCLUDE", FilterType::Include),
                    ("EXCLUDE", FilterType::Exclude),
                    // The names in 6.x.
                    ("WHITELIST", FilterType::Include),
                    ("BLACKLIST", FilterType::Exclude),
                ],
            )?;
            Ok(NameFilter { name: name.to_owned(), pattern, filter })
        };
        Ok(NameFilters(entries.iter().enumerate().map(read).collect::<Result<_, _>>()?))
    }
}

/// One entry of `acl.filters`. Values are Kafka's names in upper case. `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclFilter {
    /// `TOPIC`, `GROUP`, ….
    pub resource_type: Option<String>,
    /// Name of the resource.
    pub resource_name: Option<String>,
    /// `LITERAL`, `PREFIXED` or `MATCH`.
    pub pattern_type: Option<String>,
    /// `READ`, `WRITE`, ….
    pub operation: Option<String>,
    /// `ALLOW` or `DENY`.
    pub permission: Option<String>,
    /// Principal, for example `User:alice`.
    pub principal: Option<String>,
    /// Host of the client.
    pub host: Option<String>,
}

const RESOURCE_TYPES: [&str; 7] =
    ["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER", "ANY"];
const PATTERN_TYPES: [&str; 4] = ["LITERAL", "PREFIXED", "MATCH", "ANY"];
const OPERATIONS: [&str; 15] = [
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
    "ANY",
];
const PERMISSIONS: [&str; 3] = ["ALLOW", "DENY", "ANY"];

/// Parses `acl.filters`: `{"aclFilters":[{"resourceFilter":{…},"accessFilter":{…}}]}`. The entries are
/// alternatives.
///
/// # Errors
/// Returns the first error, with its path.
pub fn parse_acls(json: &str) -> Result<Vec<AclFilter>, FilterError> {
    const LIST: &str = "aclFilters";
    let read = |(index, value): (usize, &Value)| {
        let path = format!("{LIST}[{index}]");
        let entry = object(value, &path, &["resourceFilter", "accessFilter"])?;
        let part = |name: &str, fields: &[&str]| {
            let path = format!("{path}.{name}");
            let value = entry.get(name).ok_or_else(|| error(path.clone(), "is missing"))?;
            Ok((object(value, &path, fields)?, path))
        };
        let (resource, at_resource) = part("resourceFilter", &["resourceType", "patternType", "name"])?;
        let (access, at_access) =
            part("accessFilter", &["operation", "permissionType", "principal", "host"])?;
        Ok(AclFilter {
            resource_type: name_of(resource, &at_resource, "resourceType", &RESOURCE_TYPES)?,
            resource_name: optional(resource, &at_resource, "name")?.map(str::to_owned),
            pattern_type: name_of(resource, &at_resource, "patternType", &PATTERN_TYPES)?,
            operation: name_of(access, &at_access, "operation", &OPERATIONS)?,
            permission: name_of(access, &at_access, "permissionType", &PERMISSIONS)?,
            principal: optional(access, &at_access, "principal")?.map(str::to_owned),
            host: optional(access, &at_access, "host")?.map(str::to_owned),
        })
    };
    entries(json, LIST)?.iter().enumerate().map(read).collect()
}

fn error(path: String, message: impl Into<String>) -> FilterError {
    FilterError { path, message: message.into() }
}

fn fail<T>(path: String, message: impl Into<String>) -> Result<T, FilterError> {
    Err(error(path, message))
}

/// Returns the list of a filter document that must have no other field.
fn entries(json: &str, list: &str) -> Result<Vec<Value>, FilterError> {
    let document: Value =
        serde_json::from_str(json).map_err(|wrong| error("$".into(), format!("is not JSON: {wrong}")))?;
    let document = object(&document, "$", &[list])?;
    match document.get(list) {
        Some(Value::Array(entries)) => Ok(entries.clone()),
        Some(_) => fail(list.to_owned(), "must be a list"),
        None => fail(list.to_owned(), "is missing"),
    }
}

fn object<'a>(value: &'a Value, path: &str, fields: &[&str]) -> Result<&'a Map<String, Value>, FilterError> {
    let Value::Object(object) = value else {
        return fail(path.to_owned(), "must be an object");
    };
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(key) => fail(format!("{path}.{key}"), format!("is unknown; expected {}", fields.join(", "))),
        None => Ok(object),
    }
}

fn optional<'a>(
    object: &'a Map<String, Value>,
    path: &str,
    field: &str,
) -> Result<Option<&'a str>, FilterError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => fail(format!("{path}.{field}"), "must be a string"),
    }
}

fn required<'a>(object: &'a Map<String, Value>, path: &str, field: &str) -> Result<&'a str, FilterError> {
    optional(object, path, field)?.ok_or_else(|| error(format!("{path}.{field}"), "is missing"))
}

fn one_of<T: Copy>(
    object: &Map<String, Value>,
    path: &str,
    field: &str,
    names: &[(&str, T)],
) -> Result<T, FilterError> {
    let text = required(object, path, field)?;
    let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        error(format!("{path}.{field}"), format!("'{text}' is not one of {}", names.join(", ")))
    })
}

fn name_of(
    object: &Map<String, Value>,
    path: &str,
    field: &str,
    names: &[&str],
) -> Result<Option<String>, FilterError> {
    if optional(object, path, field)?.is_none() {
        return Ok(None);
    }
    let names: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
    let name = one_of(object, path, field, &names)?;
    Ok((name != "ANY").then(|| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(entries: &[(&str, &str, &str)]) -> NameFilters {
        let entries: Vec<String> = entries
            .iter()
            .map(|(name, pattern, filter)| {
                format!(r#"{{"name":"{name}","patternType":"{pattern}","filterType":"{filter}"}}"#)
            })
            .collect();
        NameFilters::parse_groups(&format!(r#" {{"groupFilters":[{}]}} "#, entries.join(","))).unwrap()
    }

    #[test]
    fn an_exclude_beats_all_includes_in_any_order() {
        let include = ("*", "LITERAL", "INCLUDE");
        let exclude = ("dr-", "prefixed", "Exclude");
        for filters in [groups(&[include, exclude]), groups(&[exclude, include])] {
            assert!(filters.matches("app"));
            assert!(filters.matches("dr"));
            assert!(!filters.matches("dr-"));
            assert!(!filters.matches("dr-app"));
        }
    }

    #[test]
    fn nothing_is_selected_without_a_matching_include() {
        assert!(!groups(&[]).matches("app"));
        assert!(!groups(&[("dr-", "PREFIXED", "EXCLUDE")]).matches("app"));
        assert!(!groups(&[("app", "LITERAL", "INCLUDE")]).matches("app2"));
    }

    #[test]
    fn a_prefix_is_not_a_glob() {
        let filters = groups(&[("prod-*", "PREFIXED", "INCLUDE")]);
        assert!(!filters.matches("prod-app"));
        assert!(filters.matches("prod-*app"));
    }

    #[test]
    fn the_old_filter_type_names_mean_the_same() {
        let filters = groups(&[("*", "LITERAL", "WHITELIST"), ("x", "LITERAL", "BLACKLIST")]);
        assert!(filters.matches("y") && !filters.matches("x"));
    }

    #[test]
    fn errors_name_the_field() {
        let cases = [
            ("{", "$"),
            ("[]", "$"),
            ("{}", "groupFilters"),
            (r#"{"groupFilters":{}}"#, "groupFilters"),
            (r#"{"topicFilters":[]}"#, "$.topicFilters"),
            (r#"{"groupFilters":[7]}"#, "groupFilters[0]"),
            (
                r#"{"groupFilters":[{"patternType":"LITERAL","filterType":"INCLUDE"}]}"#,
                "groupFilters[0].name",
            ),
            (
                r#"{"groupFilters":[{"name":"a","patternType":"PREFIX","filterType":"INCLUDE"}]}"#,
                "groupFilters[0].patternType",
            ),
            (r#"{"groupFilters":[{"name":"a","patternType":"LITERAL"}]}"#, "groupFilters[0].filterType"),
            (
                r#"{"groupFilters":[{"name":"","patternType":"LITERAL","filterType":"INCLUDE"}]}"#,
                "groupFilters[0].name",
            ),
            (
                r#"{"groupFilters":[{"name":"a","patternType":"LITERAL","filterType":"INCLUDE","x":1}]}"#,
                "groupFilters[0].x",
            ),
        ];
        for (json, path) in cases {
            assert_eq!(NameFilters::parse_groups(json).unwrap_err().path, path, "{json}");
        }
    }

    #[test]
    fn acl_filters_read_any_as_none() {
        let json = r#"{"aclFilters":[{"resourceFilter":{"resourceType":"topic","patternType":"any","name":"t"},
            "accessFilter":{"operation":"read","permissionType":"any","principal":"User:a"}}]}"#;
        let expected = AclFilter {
            resource_type: Some("TOPIC".into()),
            resource_name: Some("t".into()),
            operation: Some("READ".into()),
            principal: Some("User:a".into()),
            ..AclFilter::default()
        };
        assert_eq!(parse_acls(json).unwrap(), [expected]);
        let missing = r#"{"aclFilters":[{"resourceFilter":{}}]}"#;
        assert_eq!(parse_acls(missing).unwrap_err().path, "aclFilters[0].accessFilter");
        let wrong = r#"{"aclFilters":[{"resourceFilter":{},"accessFilter":{"operation":"fly"}}]}"#;
        assert_eq!(parse_acls(wrong).unwrap_err().path, "aclFilters[0].accessFilter.operation");
    }
}
