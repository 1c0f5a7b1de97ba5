//! Checks whether a cluster answers within a given time.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use crate::client::cluster::Cluster;
use crate::client::cluster::metadata::ClusterMetadata;
use crate::client::error::{ClientError, ErrorKind};
use crate::client::metadata_requests::metadata_request;
use crate::net::HostPort;

impl Cluster {
    /// Requests metadata without topics, and returns the first answer. Asks the candidates one after the
    /// other: each gets a share of `within`, then the next one is asked in parallel, so a silent broker
    /// delays nothing. The topics in the cached metadata do not change.
    ///
    /// # Errors
    /// Fails if no broker answered within `within`: with [`ErrorKind::ForeignCluster`] if that was the last
    /// error, else with a timeout of the broker asked last. If all attempts failed earlier, returns the last
    /// error.
    pub async fn answers(&self, within: Duration) -> Result<Arc<ClusterMetadata>, ClientError> {
        let mut candidates = self.candidates();
        // A connected broker probably answers soonest.
        candidates.sort_by_key(|address| self.pool().live(address).is_none());
        let Some(first) = candidates.first().cloned() else { return Err(self.no_bootstrap()) };
        let share = within / u32::try_from(candidates.len()).unwrap_or(u32::MAX).saturating_add(1);
        let deadline = Instant::now() + within;
        let mut candidates = candidates.into_iter().peekable();
        let (mut asked, mut due) = (FuturesUnordered::new(), Instant::now());
        let (mut last, mut silent) = (None, first);
        loop {
            if asked.is_empty() && candidates.peek().is_none() {
                return Err(last.unwrap_or_else(|| self.no_bootstrap()));
            }
            tokio::select! {
                biased;
                Some(answer) = asked.next(), if !asked.is_empty() => match answer {
                    Ok(metadata) => return Ok(metadata),
                    Err(error) => (last, due) = (Some(error), Instant::now()),
                },
                () = sleep_until(deadline) => {
                    // Another cluster that answers is more informative than a timeout.
                    if let Some(error) = last.filter(|error| matches!(error.kind(), ErrorKind::ForeignCluster { .. })) {
                        return Err(error);
                    }
                    let kind = ErrorKind::Timeout { address: silent, api: "Metadata".into(), within };
                    return Err(ClientError::new(self.side(), kind));
                }
                () = sleep_until(due), if candidates.peek().is_some() => {
                    let Some(address) = candidates.next() else { continue };
                    silent = address.clone();
                    asked.push(self.ask_there(address));
                    due += share;
                }
            }
        }
    }

    async fn ask_there(&self, address: HostPort) -> Result<Arc<ClusterMetadata>, ClientError> {
        let connection = self.pool().get(&address, self.options()).await?;
        let answer = self.answer_of(&connection, metadata_request(Some(&[]))).await?;
        Ok(self.remember(answer, false))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::test_support::{Scripted, options};

    /// Starts a peer that accepts connections and never answers, like a stopped process.
    async fn silent() -> (TcpListener, HostPort) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
        (listener, address)
    }

    #[tokio::test]
    async fn a_silent_broker_does_not_hide_one_that_answers() {
        let scripted = Scripted::start(1, |_| None).await;
        let (_listener, address) = silent().await;
        let bootstrap = vec![address, scripted.addresses[0].clone()];
        for _ in 0..8 {
            let cluster = Cluster::new(bootstrap.clone(), options());
            let begun = Instant::now();
            let found = cluster.answers(Duration::from_millis(600)).await.unwrap();
            assert_eq!(found.brokers.len(), 1);
            assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
        }
    }

    #[tokio::test]
    async fn a_silent_cluster_fails_within_the_given_time() {
        let (_listener, address) = silent().await;
        let cluster = Cluster::new(vec![address], options());
        let begun = Instant::now();
        let error = cluster.answers(Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_refusal_by_all_brokers_is_returned_immediately() {
        let (listener, address) = silent().await;
        drop(listener);
        let cluster = Cluster::new(vec![address], options());
        let begun = Instant::now();
        let error = cluster.answers(Duration::from_secs(20)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Connect { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
