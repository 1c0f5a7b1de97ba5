//! Metadata that many wait for, asked for once: thousands of partitions of a new topic want its leaders at the same moment, and each
//! answer names them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::cluster::Cluster;
use super::error::ClientError;
use super::metadata::ClusterMetadata;

/// Requests under way, by topic; of the brokers only under `None`.
#[derive(Default)]
pub(super) struct Refreshes(Mutex<HashMap<Option<String>, Refresh>>);

type Refresh = Shared<BoxFuture<'static, Result<Arc<ClusterMetadata>, ClientError>>>;

impl Refreshes {
    /// What is under way for `topic`, or else a request that begins now.
    fn of(&self, cluster: &Cluster, topic: Option<&str>) -> Refresh {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topic.map(str::to_owned);
        if let Some(refresh) = under_way.get(&topic) {
            return refresh.clone();
        }
        let (cluster, name) = (cluster.clone(), topic.clone());
        let refresh = async move {
            let _over = Over { cluster: &cluster, topic: &name };
            cluster.metadata(Some(name.as_slice())).await
        };
        let refresh = refresh.boxed().shared();
        // A task of its own: others wait for it, whatever becomes of the one who asked first.
        let _task = tokio::spawn(refresh.clone());
        let _ = under_way.insert(topic, refresh.clone());
        refresh
    }
}

/// Takes a request out of those under way, however it ends.
struct Over<'a> {
    cluster: &'a Cluster,
    topic: &'a Option<String>,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut under_way = self.cluster.refreshes().0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = under_way.remove(self.topic);
    }
}

impl Cluster {
    /// As [`Cluster::metadata`] of one topic, or of the brokers only, but together with whoever waits for the same: the answer may be to a
    /// request that was on its way already. For who asks again when it does not help.
    pub(super) async fn refreshed(&self, topic: Option<&str>) -> Result<Arc<ClusterMetadata>, ClientError> {
        self.refreshes().of(self, topic).await
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use kafka_protocol::messages::ApiKey;

    use crate::client::testing::Scripted;

    #[tokio::test]
    async fn who_waits_for_the_same_topic_shares_a_request_and_the_next_one_asks_anew() {
        let scripted = Scripted::start(1, |_| None).await;
        let _known = scripted.cluster.metadata(Some(&[])).await.unwrap();
        let before = scripted.asked(0, ApiKey::Metadata);
        let topics = ["t", "u"].map(Some).into_iter().cycle().take(100);
        let answers = join_all(topics.map(|topic| scripted.cluster.refreshed(topic))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 2);
        let again = scripted.cluster.refreshed(Some("t")).await;
        assert!(again.is_ok());
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 3);
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nothing_from_the_others() {
        let scripted = Scripted::start(1, |_| None).await;
        let mut gone = Box::pin(scripted.cluster.refreshed(None));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        let other = scripted.cluster.refreshed(None);
        drop(gone);
        assert!(other.await.is_ok());
        assert!(scripted.cluster.refreshes().0.lock().unwrap().is_empty());
    }
}
