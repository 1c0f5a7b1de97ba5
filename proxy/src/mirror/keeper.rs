//! Keeps the metadata of one cluster fresh, so that nobody else waits for a cluster that does not answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::client::{Cluster, ClusterMetadata};

/// Least time between two requests, however often a refresh is asked for.
const LEAST_GAP: Duration = Duration::from_millis(50);
/// Time between attempts while the cluster does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// Asks for metadata of some topics at an interval and on demand, and publishes each answer.
#[derive(Debug)]
pub struct MetadataKeeper {
    /// The cluster.
    pub cluster: Cluster,
    /// `source` or `destination`, for the log.
    pub side: &'static str,
    /// The link, for the log.
    pub link: String,
    /// Topics to ask for.
    pub topics: watch::Receiver<Vec<String>>,
    /// Asks for a refresh at once.
    pub refresh: Arc<Notify>,
    /// Where the answers go.
    pub publish: watch::Sender<Option<Arc<ClusterMetadata>>>,
    /// Time between refreshes when nobody asks.
    pub interval: Duration,
}

impl MetadataKeeper {
    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
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
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LEAST_GAP) => {}
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
