//! Linkgate's own Kafka client, for the source cluster and the destination brokers.
//!
//! [`Connection`] is one multiplexed connection to one broker. [`Cluster`] knows the brokers of one cluster,
//! keeps a connection to each, and has the admin calls (`admin/`, one kind per file). Every response is
//! checked against its layout before `kafka-protocol` decodes it ([`answer`]): a broker, or an attacker in
//! between, may answer anything. [`ClientOptions::max_response_bytes`] bounds frames; before authentication
//! the bound is smaller.pub(crate) mod types;

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod metadata_requests;
pub(crate) mod options;
pub(crate) mod pin;
pub(crate) mod sasl;
pub(crate) mod security;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod types;

pub(crate) use self::cluster::Cluster;
pub(crate) use self::cluster::metadata::{ClusterMetadata, PartitionMetadata, TopicMetadata};
pub(crate) use self::connection::Connection;
pub(crate) use self::error::{ClientError, ErrorKind, Side};
pub(crate) use self::options::ClientOptions;
pub(crate) use self::pin::{ClusterPin, ForeignCluster};
pub(crate) use self::security::Security;
pub(crate) use crate::wire::protocol::error_code::ErrorCode;
