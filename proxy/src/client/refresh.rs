//! Metadata that many wait for, asked for once: thousands of partitions of a new topic want its leaders at the same moment, and each
//! answer names them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::cluster::Cluster;
use super::error::ClientError;
use super::metadata::{ClusterMetadata, TopicMetadata};
use crate::wire::error_code::ErrorCode;

/// An answer to a request that began longer ago helps nobody who tries again.
const RECENT: Duration = Duration::from_millis(300);
/// A request from before that takes longer than this is not waited for.
const EARLIER_WITHIN: Duration = Duration::from_secs(1);

/// Requests under way and recent ones, by topic; of the brokers only under `None`.
#[derive(Default)]
pub(super) struct Refreshes(Mutex<Known>);

type Known = HashMap<Option<String>, (Instant, Refresh)>;

type Refresh = Shared<BoxFuture<'static, Result<Arc<ClusterMetadata>, ClientError>>>;

impl Refreshes {
    /// The last request for `topic` if it is under way or began at `since` or later, or else one that begins now.
    fn of(&self, cluster: &Cluster, topic: Option<&str>, since: Instant) -> Refresh {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&topic.map(str::to_owned)) {
            Some((begun, refresh)) if *begun >= since || refresh.peek().is_none() => refresh.clone(),
            _ => begin(&mut known, cluster, topic),
        }
    }

    /// The last request for `topic` that began at `since` or later, or else one that begins now. One that is under
    /// way from before is waited for first: so all that ask meanwhile share the next one.
    async fn begun_since(&self, cluster: &Cluster, topic: &str, since: Instant) -> Refresh {
        if let Some(earlier) = self.under_way_before(topic, since) {
            let _ = tokio::time::timeout(EARLIER_WITHIN, earlier).await;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&Some(topic.to_owned())) {
            Some((begun, refresh)) if *begun >= since => refresh.clone(),
            _ => begin(&mut known, cluster, Some(topic)),
        }
    }

    fn under_way_before(&self, topic: &str, since: Instant) -> Option<Refresh> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, refresh) = known.get(&Some(topic.to_owned()))?;
        (*begun < since && refresh.peek().is_none()).then(|| refresh.clone())
    }
}

fn begin(known: &mut Known, cluster: &Cluster, topic: Option<&str>) -> Refresh {
    let topic = topic.map(str::to_owned);
    let (cluster, name, now) = (cluster.clone(), topic.clone(), Instant::now());
    let refresh = async move {
        let _given_up = Abandoned { cluster: &cluster, topic: &name };
        cluster.metadata(Some(name.as_slice())).await
    };
    let refresh = refresh.boxed().shared();
    // A task of its own: others wait for it, whatever becomes of the one who asked first.
    let _task = tokio::spawn(refresh.clone());
    known.retain(|_, (begun, refresh)| now - *begun < RECENT || refresh.peek().is_none());
    let _ = known.insert(topic, (now, refresh.clone()));
    refresh
}

/// Should asking panic: nobody can have the answer, and the next one asks anew.
struct Abandoned<'a> {
    cluster: &'a Cluster,
    topic: &'a Option<String>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut known = self.cluster.refreshes().0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = known.remove(self.topic);
        }
    }
}

impl Cluster {
    /// As [`Cluster::metadata`] of one topic, or of the brokers only, but together with whoever waits for the same: the answer may be to a
    /// request that was on its way already. For who asks again when it does not help.
    pub(super) async fn refreshed(&self, topic: Option<&str>) -> Result<Arc<ClusterMetadata>, ClientError> {
        self.refreshes().of(self, topic, Instant::now()).await
    }

    /// Asks a broker for a topic, together with others who ask the same; `None` when the broker knows no such topic. The
    /// request begins at `since` or later, so the answer proves how the topic was then.
    ///
    /// # Errors
    /// No broker answered.
    pub async fn topic_since(
        &self,
        topic: &str,
        since: Instant,
    ) -> Result<Option<Arc<TopicMetadata>>, ClientError> {
        let metadata = self.refreshes().begun_since(self, topic, since).await.await?;
        let found = metadata.topics.get(topic);
        Ok(found.filter(|topic| topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).cloned())
    }

    /// The same for who failed at `failed` and tries again: what others have learnt since then, and not long ago, is not asked for again.
    pub(super) async fn refreshed_since(
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
        let known = scripted.cluster.refreshes().0.lock().unwrap();
        assert!(known.values().all(|(_, refresh)| refresh.peek().is_some()), "none is under way any more");
    }

    #[tokio::test]
    async fn who_tries_again_shares_what_was_asked_since_it_failed() {
        let scripted = Scripted::start(1, |_| None).await;
        let (cluster, asked) = (&scripted.cluster, || scripted.asked(0, ApiKey::Metadata));
        // Again where the machine was so busy that what was asked first was old before all was asked.
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
    async fn what_was_on_its_way_before_proves_nothing_of_what_was_so_since() {
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
        // The one from before, and one for all that ask since.
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 2);
    }

    #[tokio::test]
    async fn what_was_asked_long_ago_is_asked_anew_and_not_kept() {
        let scripted = Scripted::start(1, |_| None).await;
        let (cluster, failed) = (&scripted.cluster, Instant::now());
        assert!(cluster.refreshed_since(Some("t"), failed).await.is_ok());
        assert!(cluster.refreshed_since(Some("u"), failed).await.is_ok());
        tokio::time::sleep(RECENT + Duration::from_millis(10)).await;
        let before = scripted.asked(0, ApiKey::Metadata);
        assert!(cluster.refreshed_since(Some("t"), failed).await.is_ok());
        assert_eq!(scripted.asked(0, ApiKey::Metadata) - before, 1);
        assert_eq!(cluster.refreshes().0.lock().unwrap().len(), 1);
    }
}
