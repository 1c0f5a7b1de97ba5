//! The Kafka protocol below the level of messages: primitive types, frames, headers, versions, error codes, and the
//! schemas that responses are checked against before they are decoded.

pub(crate) mod error_code;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod node_endpoints;
pub(crate) mod primitive;
pub mod response_schema;
pub(crate) mod topic_ref;
pub(crate) mod varint;
pub mod versions;
