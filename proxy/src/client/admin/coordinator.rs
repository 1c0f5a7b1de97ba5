//! Finds the coordinator of a consumer group.

use std::future::Future;

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use crate::client::cluster::Cluster;
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::wire::protocol::error_code::ErrorCode;

impl Cluster {
    /// Connects to the coordinator of a group.
    async fn coordinator(&self, group: &str) -> Result<Connection, ClientError> {
        let api = format!("FindCoordinator '{group}'");
        let broker = self.any().await?;
        let key = StrBytes::from_string(group.to_owned());
        let request = FindCoordinatorRequest::default().with_key_type(0);
        let batched = broker.version_of::<FindCoordinatorRequest>(4)? >= 4;
        let request = if batched { request.with_coordinator_keys(vec![key]) } else { request.with_key(key) };
        let response = broker.call_at_most(request, 4).await?;
        let (node, code, message) = if batched {
            let Some(found) = response.coordinators.into_iter().next() else {
                return Err(broker.misfit(&api, "the response names no coordinator".into()));
            };
            (found.node_id, found.error_code, found.error_message)
        } else {
            (response.node_id, response.error_code, response.error_message)
        };
        let message = message.as_deref().unwrap_or_default();
        ErrorCode(code).ok().map_err(|code| broker.answered(&api, code, message))?;
        self.broker(node.0).await
    }

    /// Calls `once` with the coordinator of a group. Repeats that with the new coordinator if the old one has
    /// moved.
    pub(crate) async fn with_coordinator<T, F>(
        &self,
        group: &str,
        mut once: impl FnMut(Connection) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut failures = 0;
        loop {
            let error = match self.coordinator(group).await {
                Ok(coordinator) => match once(coordinator).await {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            failures += 1;
            if failures >= crate::client::cluster::ATTEMPTS || !error.retriable() {
                return Err(error);
            }
            self.pause(failures).await;
            // The set of brokers may have changed. If none answers, the next attempt returns that error.
            let _refreshed = self.metadata(Some(&[])).await;
        }
    }
}
