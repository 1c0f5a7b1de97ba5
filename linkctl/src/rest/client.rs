//! Body of an open client connection of the gateway.

use serde::{Deserialize, Serialize};

/// One client connection: entry of `GET /clusters/{cluster}/clients`. Names and versions are what the client
/// told, cut at 256 bytes and without control characters; empty if it told nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientData {
    /// Always `KafkaClientConnection`.
    pub kind: String,
    /// Id of the connection. Later connections have higher ids.
    pub connection_id: u64,
    /// Address and port of the client.
    pub peer: String,
    /// Destination broker whose port the client connected to; null for the bootstrap port.
    #[serde(default)]
    pub broker_id: Option<i32>,
    /// `client.id` of the first request.
    pub client_id: String,
    /// Name of the client library. Clients send it since Kafka 2.4 (KIP-511).
    pub software_name: String,
    /// Version of the client library.
    pub software_version: String,
    /// SASL mechanism that the client asked for; empty without SASL.
    pub sasl_mechanism: String,
    /// Principal that the client claims in the SASL exchange; empty if the mechanism does not show it.
    pub principal: String,
    /// True if a broker has accepted the principal.
    pub authenticated: bool,
    /// Time when the connection was accepted, in milliseconds since the epoch.
    pub connected_ms: i64,
    /// Number of requests so far.
    pub requests: u64,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// Time of the last Produce request, in milliseconds since the epoch; null if there was none.
    #[serde(default)]
    pub last_produce_ms: Option<i64>,
    /// Time of the last Fetch or ShareFetch request, in milliseconds since the epoch; null if there was none.
    #[serde(default)]
    pub last_fetch_ms: Option<i64>,
}
