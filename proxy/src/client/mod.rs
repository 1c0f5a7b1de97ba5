//! Our own Kafka client, for the source cluster and the destination brokers.
//!
//! [`Connection`] is one multiplexed connection to one broker; [`Cluster`] knows the brokers of one cluster, keeps a
//! connection to each and carries the admin calls (`admin/`, one kind per file). Responses are decoded by
//! `kafka-protocol`, after each was held against its layout ([`answer`]): a broker, or somebody on the way to it, may
//! answer anything. Frames are bounded by [`ClientOptions::max_response_bytes`], and are small before authentication.

pub mod admin;
pub(crate) mod answer;
mod authenticate;
mod backoff;
mod cluster;
mod connection;
mod error;
mod gather;
mod header;
mod liveness;
mod metadata;
mod options;
mod pin;
mod pool;
mod refresh;
mod sasl;
mod security;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
mod waiting;

pub use crate::net::{HostPort, ParseHostPortError, SocketOptions};
pub use crate::wire::error_code::ErrorCode;
pub use cluster::Cluster;
pub use connection::Connection;
pub use error::{ClientError, ErrorKind, Side};
pub use metadata::{BrokerMetadata, ClusterMetadata, PartitionMetadata, TopicMetadata};
pub use options::ClientOptions;
pub use pin::{ClusterPin, ForeignCluster};
pub use security::Security;
