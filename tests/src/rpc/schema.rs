//! The schemas: `common/message/*.json` of kafka-clients.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::Command;

use serde_json::Value;

use crate::kafka::Version;
use crate::machine::process::run;
use crate::machine::wait::LONG;
use crate::machine::workdir::{WorkDir, cache_dir};

/// Type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Text,
    Uuid,
    Bytes,
    Struct(Vec<Field>),
    Array(Box<Kind>),
}

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name of the field in Kafka's schema.
    pub name: String,
    /// Type of the field.
    pub kind: Kind,
    /// Versions that have the field.
    pub versions: RangeInclusive<i16>,
    /// Versions in which the field may be null.
    pub nullable: RangeInclusive<i16>,
    /// Tag, and the versions in which the field is a tagged field.
    pub tag: Option<(u32, RangeInclusive<i16>)>,
    /// Value of the field if none is given.
    pub default: Value,
}

/// Schema of a request or a response.
#[derive(Debug, Clone)]
pub struct Schema {
    /// API key.
    pub api_key: i16,
    /// Versions that this Kafka version knows.
    pub versions: RangeInclusive<i16>,
    flexible: RangeInclusive<i16>,
    /// Fields of the message.
    pub fields: Vec<Field>,
}

impl Schema {
    /// Returns true if the version has compact types and tagged fields.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible.contains(&version)
    }
}

/// Schemas of all requests and responses of one Kafka version.
#[derive(Debug)]
pub struct Schemas {
    /// Requests by API key.
    pub requests: BTreeMap<i16, Schema>,
    /// Responses by API key.
    pub responses: BTreeMap<i16, Schema>,
}

impl Schemas {
    /// Reads the schemas from the kafka-clients jar in the cache.
    ///
    /// # Panics
    /// Panics if the jar is missing or holds an unknown type.
    #[must_use]
    pub fn of(version: Version) -> Schemas {
        let number = version.number();
        let jar = cache_dir().join("kafka").join(number).join(format!("kafka-clients-{number}.jar"));
        let dir = WorkDir::new(&format!("schemas-{number}"));
        let mut command = Command::new("jar");
        command.current_dir(dir.path()).arg("xf").arg(jar).arg("common/message");
        let _ = run(command, b"", LONG).success("jar xf");
        let mut schemas = Schemas { requests: BTreeMap::new(), responses: BTreeMap::new() };
        let files = std::fs::read_dir(dir.path().join("common/message")).expect("the jar has schemas");
        for file in files.flatten().filter(|file| file.path().extension().is_some_and(|end| end == "json")) {
            let text = std::fs::read_to_string(file.path()).expect("the schema is readable");
            let json = parse(&text, &file.path().display().to_string());
            let into = match json["type"].as_str() {
                Some("request") => &mut schemas.requests,
                Some("response") => &mut schemas.responses,
                _ => continue,
            };
            if let Some(schema) = schema(&json) {
                let _ = into.insert(schema.api_key, schema);
            }
        }
        schemas
    }
}

/// Parses JSON with comments on lines of their own.
fn parse(text: &str, path: &str) -> Value {
    let bare: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    serde_json::from_str(&bare).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn schema(json: &Value) -> Option<Schema> {
    let versions = range(&json["validVersions"]);
    if versions.is_empty() {
        return None;
    }
    let common: BTreeMap<&str, &Value> = json["commonStructs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| (it["name"].as_str().unwrap_or_default(), &it["fields"]))
        .collect();
    Some(Schema {
        api_key: json["apiKey"].as_i64().and_then(|key| key.try_into().ok())?,
        versions,
        flexible: range(&json["flexibleVersions"]),
        fields: fields(&json["fields"], &common),
    })
}

fn fields(json: &Value, common: &BTreeMap<&str, &Value>) -> Vec<Field> {
    json.as_array().into_iter().flatten().map(|json| field(json, common)).collect()
}

fn field(json: &Value, common: &BTreeMap<&str, &Value>) -> Field {
    let name = json["name"].as_str().unwrap_or_default().to_owned();
    let kind = kind(json["type"].as_str().unwrap_or_default(), &json["fields"], common);
    let tag = json["tag"].as_u64().map(|tag| (tag as u32, range(&json["taggedVersions"])));
    let default = default(&kind, &json["default"]);
    Field {
        name,
        kind,
        versions: range(&json["versions"]),
        nullable: range(&json["nullableVersions"]),
        tag,
        default,
    }
}

fn kind(name: &str, own: &Value, common: &BTreeMap<&str, &Value>) -> Kind {
    match name {
        "bool" => Kind::Bool,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "uint16" => Kind::Uint16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "string" => Kind::Text,
        "uuid" => Kind::Uuid,
        "bytes" | "records" => Kind::Bytes,
        _ => match name.strip_prefix("[]") {
            Some(element) => Kind::Array(Box::new(kind(element, own, common))),
            None if own.is_array() => Kind::Struct(fields(own, common)),
            None => {
                Kind::Struct(fields(common.get(name).unwrap_or_else(|| panic!("no type {name}")), common))
            }
        },
    }
}

/// Returns the default value. In the schemas it is a string or a literal.
fn default(kind: &Kind, given: &Value) -> Value {
    let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
    match kind {
        _ if text == "null" && !given.is_null() => Value::Null,
        Kind::Bool => Value::Bool(text == "true"),
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => {
            let hex = text.strip_prefix("0x").and_then(|hex| i64::from_str_radix(hex, 16).ok());
            Value::from(hex.or_else(|| text.parse().ok()).unwrap_or(0))
        }
        Kind::Float64 => Value::from(text.parse::<f64>().unwrap_or(0.0)),
        Kind::Text => Value::from(given.as_str().unwrap_or_default()),
        Kind::Uuid => Value::from("0".repeat(32)),
        Kind::Bytes => Value::from(""),
        Kind::Struct(_) => Value::Object(serde_json::Map::new()),
        Kind::Array(_) => Value::Array(Vec::new()),
    }
}

/// Parses a version range: `3`, `1-4`, `2+` or `none`.
fn range(json: &Value) -> RangeInclusive<i16> {
    let text = json.as_str().unwrap_or("none");
    let number = |text: &str| text.parse::<i16>().unwrap_or_else(|e| panic!("version {text}: {e}"));
    match (text.strip_suffix('+'), text.split_once('-')) {
        _ if text == "none" => RangeInclusive::new(1, 0),
        (Some(from), _) => number(from)..=i16::MAX,
        (None, Some((from, to))) => number(from)..=number(to),
        (None, None) => number(text)..=number(text),
    }
}
