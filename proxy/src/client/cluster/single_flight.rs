//! Shares metadata refreshes between callers. Thousands of partitions of a new topic need their leaders at
//! the same moment, and one answer has them all.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::client::cluster::Cluster;
use crate::client::cluster::metadata::{ClusterMetadata, TopicMetadata};
use crate::client::error::ClientError;
use crate::wire::protocol::error_code::ErrorCode;

/// Maximum age of a refresh that a retrying caller shares.
const RECENT: Duration = Duration::from_millis(300);
/// Maximum wait for a refresh that began too early to be shared.
const EARLIER_WITHIN: Duration = Duration::from_secs(1);

/// Refreshes in flight and recent ones, by topic. The key `None` stands for the brokers only.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<KnownMetadata>);

type KnownMetadata = HashMap<Option<String>, (Instant, SharedRefresh)>;

type SharedRefresh = Shared<BoxFuture<'static, Result<Arc<ClusterMetadata>, ClientError>>>;

impl Refreshes {
    /// Returns the last refresh of `topic` if it is in flight or began at `since` or later. Otherwise begins
    /// a new one.
    fn of(&self, cluster: &Cluster, topic: Option<&str>, since: Instant) -> SharedRefresh {
        let mut known = self.0.lock();
        match known.get(&topic.map(str::to_owned)) {
            Some((begun, refresh)) if *begun >= since || refresh.peek().is_none() => refresh.clone(),
            _ => begin(&mut known, cluster, topic),
        }
    }

    /// Returns the last refresh of `topic` if it began at `since` or later. Otherwise begins a new one. First
    /// waits for a refresh in flight that began earlier, so that all callers in the meantime share the next
    /// one.
    async fn begun_since(&self, cluster: &Cluster, topic: &str, since: Instant) -> SharedRefresh {
        if let Some(earlier) = self.under_way_before(topic, since) {
            let _ = tokio::time::timeout(EARLIER_WITHIN, earlier).await;
        }
        let mut known = self.0.lock();
        match known.get(&Some(topic.to_owned())) {
            Some((begun, refresh)) if *begun >= since => refresh.clone(),
            _ => begin(&mut known, cluster, Some(topic)),
        }
    }

    fn under_way_before(&self, topic: &str, since: Instant) -> Option<SharedRefresh> {
        let known = self.0.lock();
        let (begun, refresh) = known.get(&Some(topic.to_owned()))?;
        (*begun < since && refresh.peek().is_none()).then(|| refresh.clone())
    }
}

fn begin(known: &mut KnownMetadata, cluster: &Cluster, topic: Option<&str>) -> SharedRefresh {
    let topic = topic.map(str::to_owned);
    let (cluster, name, now) = (cluster.clone(), topic.clone(), Instant::now());
    let refresh = async move {
        let _given_up = RefreshPanicGuard { cluster: &cluster, topic: &name };
        cluster.metadata(Some(name.as_slice())).await
    };
    let refresh = refresh.boxed().shared();
    // A separate task, since other callers wait for the answer even if the first caller is cancelled.
    let _task = tokio::spawn(refresh.clone());
    known.retain(|_, (begun, refresh)| now - *begun < RECENT || refresh.peek().is_none());
    let _ = known.insert(topic, (now, refresh.clone()));
    refresh
}

/// Removes a refresh that panicked. It has no answer, so the next caller must begin a new one.
struct RefreshPanicGuard<'a> {
    cluster: &'a Cluster,
    topic: &'a Option<String>,
}

impl Drop for RefreshPanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut known = self.cluster.refreshes().0.lock();
            let _ = known.remove(self.topic);
        }
    }
}

impl Cluster {
    /// Requests metadata of one topic, or of the brokers only, like [`Cluster::metadata`], but shares a
    /// refresh that is in flight. The answer may be older than this call, so the caller must ask again if it
    /// does not help.
    pub(crate) async fn refreshed(&self, topic: Option<&str>) -> Result<Arc<ClusterMetadata>, ClientError> {
        self.refreshes().of(self, topic, Instant::now()).await
    }

    /// Requests metadata of a topic and shares the request with concurrent callers. Returns `None` if the
    /// broker knows no such topic. The request begins at `since` or later, so the answer shows the topic's
    /// state after `since`.
    ///
    /// # Errors
    /// Fails if no broker answered.
    pub async fn topic_since(
        &self,
        topic: &str,
        since: Instant,
    ) -> Result<Option<Arc<TopicMetadata>>, ClientError> {
        let metadata = self.refreshes().begun_since(self, topic, since).await.await?;
        let found = metadata.topics.get(topic);
        Ok(found.filter(|topic| topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).cloned())
    }

    /// Requests metadata for a caller that failed at `failed` and tries again. Shares a refresh that is in
    /// flight, or that began after `failed` and within the last 300 ms.
    pub(crate) async fn refreshed_since(
        &self,
        topic: Option<&str>,
        failed: Instant,
    ) -> Result<Arc<ClusterMetadata>, ClientError> {
        let recent = Instant::now().checked_sub(RECENT);
        self.refreshes().of(self, topic, recent.map_or(failed, |recent| failed.max(recent))).await
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use kafka_protocol::messages::ApiKey;

    use super::*;
    use crate::client::test_support::Scripted;

    #[tokio::test]
    async fn concurrent_callers_share_a_refresh_and_a_later_one_begins_a_new_one() {
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
    async fn a_cancelled_waiter_does_not_cancel_the_shared_request() {
        let scripted = Scripted::start(1, |_| None).await;
        let mut gone = Box::pin(scripted.cluster.refreshed(None));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        let other = scripted.cluster.refreshed(None);
        drop(gone);
        assert!(other.await.is_ok());
        let known = scripted.cluster.refreshes().0.lock();
        assert!(known.values().all(|(_, refresh)| refresh.peek().is_some()), "none is under way any more");
    }

    #[tokio::test]
    async fn a_retry_shares_a_refresh_begun_since_its_failure() {
        let scripted = Scripted::start(1, |_| None).await;
        let (cluster, asked) = (&scripted.cluster, || scripted.asked(0, ApiKey::Metadata));
        // Repeats the test on a slow machine, where the first refresh was too old before the last call.
        for _ in 0..50 {
            let (begun, before) = (Instant::now(), asked());
            for topic in ["t", "u", "t", "u", "t"] {
                assert!(cluster.refreshed_since(Some(topic), begun).await.is_ok());
            }
            let shared = asked() - before;
            assert!(cluster.refreshed_since(Some("t"), Instant::now()).await.is_ok());
            if begun.elapsed() < RECENT {
                assert_eq!(shared, 2);
                assert_eq!(asked() - before, 3, "what was asked before the failure does not count");
                return;
            }
        }
        panic!("never fast enough");
    }

    #[tokio::test]
    async fn topic_since_does_not_use_a_refresh_that_began_earlier() {
        let scripted = Scripted::start(1, |_| None).await;
        let cluster = &scripted.cluster;
        let before = {
            let _known = cluster.metadata(Some(&[])).await.unwrap();
            scripted.asked(0, ApiKey::Metadata)
        };
        let mut earlier = Box::pin(cluster.refreshed(Some("t")));
        assert!(futures::poll!(earlier.as_mut()).is_pending());
        let since = Instant::now();
        let answers = join_all((0..100).map(|_| cluster.topic_since("t", since))).await;
        assert!(answers.iter().all(|found| matches!(found, Ok(Some(_)))));
        assert!(earlier.await.is_ok());
        // The refresh that began earlier, and one for all later callers.
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 2);
    }

    #[tokio::test]
    async fn an_old_refresh_is_neither_shared_nor_kept() {
        let scripted = Scripted::start(1, |_| None).await;
        let (cluster, failed) = (&scripted.cluster, Instant::now());
        assert!(cluster.refreshed_since(Some("t"), failed).await.is_ok());
        assert!(cluster.refreshed_since(Some("u"), failed).await.is_ok());
        tokio::time::sleep(RECENT + Duration::from_millis(10)).await;
        let before = scripted.asked(0, ApiKey::Metadata);
        assert!(cluster.refreshed_since(Some("t"), failed).await.is_ok());
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 1);
        assert_eq!(cluster.refreshes().0.lock().len(), 1);
    }
}
