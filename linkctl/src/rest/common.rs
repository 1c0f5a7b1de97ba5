//! What bodies of several resources have in common: metadata, lists, configs by name, errors.

use serde::{Deserialize, Serialize};

/// Path prefixes under which the API is served.
pub const PREFIXES: [&str; 2] = ["/kafka/v3", "/v3"];

/// `metadata` of every resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceMetadata {
    /// URL of the resource.
    #[serde(rename = "self")]
    pub self_url: String,
    /// Name in Confluent's scheme (`crn:///kafka=…`); null where there is none.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// `metadata` of every list. Only those of clients and of the journal have pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListMetadata {
    /// URL of the list.
    #[serde(rename = "self")]
    pub self_url: String,
    /// URL of the next page; null when there is none.
    #[serde(default)]
    pub next: Option<String>,
}

/// A list of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataList<T> {
    /// Which list, for example `KafkaLinkDataList`.
    pub kind: String,
    /// Where it is.
    pub metadata: ListMetadata,
    /// Its entries.
    pub data: Vec<T>,
}

/// A name and a value, of a link config or a topic config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigEntry {
    /// Kafka's name of the config.
    pub name: String,
    /// Its value; null means unset.
    #[serde(default)]
    pub value: Option<String>,
}

/// Error body of every request that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Confluent's code: the HTTP status, or that and two digits.
    pub error_code: i32,
    /// For people.
    pub message: String,
}
