//! Checks that a connection leads to the pinned cluster.

use crate::client::connection::Connection;
use crate::client::error::{ClientError, ErrorKind};
use crate::client::metadata_requests::metadata_request;
use crate::client::pin::ClusterPin;

impl Connection {
    /// Asks the broker for its cluster id before any other request, so that no answer of another cluster is
    /// used.
    pub(crate) async fn check_cluster(&self, pin: &ClusterPin) -> Result<(), ClientError> {
        let response = self.call_at_most(metadata_request(Some(&[])), 12).await?;
        self.admitted(pin, response.cluster_id.as_deref().unwrap_or_default())
    }

    /// Compares the cluster id in an answer of this broker with the pinned one.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ForeignCluster`]. The connection has ended then.
    pub(crate) fn admitted(&self, pin: &ClusterPin, found: &str) -> Result<(), ClientError> {
        pin.admit(&self.link.address, found).map_err(|expected| {
            let (address, found) = (self.link.address.clone(), found.to_owned());
            let error = self.error(ErrorKind::ForeignCluster { address, expected, found });
            self.link.waiting.poison(error.clone());
            error
        })
    }
}
