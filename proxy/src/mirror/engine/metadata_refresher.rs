//! Keeps the metadata of one cluster fresh, so that no other task waits for a cluster that does not answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::client::{Cluster, ClusterMetadata};

/// Minimum time between two requests, no matter how often a refresh is requested.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// Time between attempts while the cluster does not answer and no refresh is requested.
const RETRY_BACKOFF: Duration = Duration::from_millis(500);

/// Task that asks for the metadata of some topics, at an interval and on request, and publishes each answer.
#[derive(Debug)]
pub(crate) struct MetadataRefresher {
    /// Cluster to ask.
    pub cluster: Cluster,
    /// `source` or `destination`, for the log.
    pub side: &'static str,
    /// Name of the link, for the log.
    pub link: String,
    /// Topics to ask for.
    pub topics: watch::Receiver<Vec<String>>,
    /// Requests a refresh at once when notified.
    pub refresh: Arc<Notify>,
    /// Channel for the answers.
    pub publish: watch::Sender<Option<Arc<ClusterMetadata>>>,
    /// Time between refreshes if none is requested.
    pub interval: Duration,
}

impl MetadataRefresher {
    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut failing = false;
        loop {
            let topics = self.topics.borrow_and_update().clone();
            let answer = tokio::select! {
                () = shutdown.cancelled() => return,
                answer = self.cluster.metadata(Some(&topics)) => answer,
            };
            let pause = match answer {
                Ok(metadata) => {
                    if std::mem::take(&mut failing) {
                        info!(link = self.link, side = self.side, "cluster answers again");
                    }
                    let _ = self.publish.send_replace(Some(metadata));
                    self.interval
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(link = self.link, side = self.side, %error, "cluster does not answer");
                    }
                    RETRY_BACKOFF
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(MIN_INTERVAL) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.refresh.notified() => {}
                changed = self.topics.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
