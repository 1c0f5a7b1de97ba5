//! Where the brokers of the destination are: a seam, so that tests can say it themselves.

use futures::future::BoxFuture;

use crate::client::{ClientError, Cluster};
use crate::net::HostPort;

/// Tells where the brokers of the destination cluster are.
pub trait BrokerDirectory: Send + Sync + 'static {
    /// All brokers known now, by id. Fails when no broker answers, and within a time of its own choice.
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
