//! An open connection of a Kafka client, as the gateway knows it.

use serde::{Deserialize, Serialize};

/// Entry of `GET /clusters/{cluster}/clients`. Texts are what the client said of itself, cut at 256 bytes and without
/// control characters; empty where it said nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientData {
    /// `KafkaClientConnection`.
    pub kind: String,
    /// Number of the connection; later ones have higher numbers.
    pub connection_id: u64,
    /// Address and port that it comes from.
    pub peer: String,
    /// The destination broker whose port it came to; null for the bootstrap port.
    #[serde(default)]
    pub broker_id: Option<i32>,
    /// `client.id` of its first request.
    pub client_id: String,
    /// Name of its library, which clients tell since Kafka 2.4 (KIP-511).
    pub software_name: String,
    /// Version of its library.
    pub software_version: String,
    /// SASL mechanism that it asked for; empty without SASL.
    pub sasl_mechanism: String,
    /// Whom it authenticates as, as far as the exchange tells; empty for mechanisms that do not.
    pub principal: String,
    /// A broker has accepted the principal.
    pub authenticated: bool,
    /// When it was accepted, in milliseconds since the epoch.
    pub connected_ms: i64,
    /// Requests so far.
    pub requests: u64,
    /// Bytes that came from the client.
    pub bytes_in: u64,
    /// Bytes that it took.
    pub bytes_out: u64,
    /// Time of its last Produce request, in milliseconds since the epoch; null for none.
    #[serde(default)]
    pub last_produce_ms: Option<i64>,
    /// Time of its last Fetch or ShareFetch request, in milliseconds since the epoch; null for none.
    #[serde(default)]
    pub last_fetch_ms: Option<i64>,
}
