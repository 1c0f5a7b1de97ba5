//! Parts that the bodies of several resources share: metadata, lists, configs by name, errors.

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
    /// Name in Confluent's scheme (`crn:///kafka=…`); null if there is none.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// `metadata` of every list. Only the lists of clients and of the journal have several pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListMetadata {
    /// URL of the list.
    #[serde(rename = "self")]
    pub self_url: String,
    /// URL of the next page; null if there is none.
    #[serde(default)]
    pub next: Option<String>,
}

/// A list of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataList<T> {
    /// Kind of the list, for example `KafkaLinkDataList`.
    pub kind: String,
    /// URL of the list and of its next page.
    pub metadata: ListMetadata,
    /// Entries of the list.
    pub data: Vec<T>,
}

/// Name and value of a link config or a topic config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigEntry {
    /// Kafka's name of the config.
    pub name: String,
    /// Value of the config; null means unset.
    #[serde(default)]
    pub value: Option<String>,
}

/// Body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Confluent's error code: the HTTP status, or the HTTP status followed by two digits.
    pub error_code: i32,
    /// Readable message.
    pub message: String,
}
