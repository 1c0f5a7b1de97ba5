//! Looks up the addresses of the destination's brokers. It is a trait, so that tests can name the brokers
//! themselves.

use futures::future::BoxFuture;

use crate::client::{ClientError, Cluster};
use crate::net::HostPort;

/// Directory of the destination's brokers.
pub trait BrokerDirectory: Send + Sync + 'static {
    /// Returns all brokers known now, by id. Fails if no broker answers. Each implementation bounds the time
    /// that this takes.
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>>;
}

impl BrokerDirectory for Cluster {
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        Box::pin(async {
            let metadata = self.metadata(Some(&[])).await?;
            Ok(metadata.brokers.iter().map(|(id, broker)| (*id, broker.address.clone())).collect())
        })
    }
}
