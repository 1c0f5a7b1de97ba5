//! A cluster: its brokers, a connection to each, and its latest metadata.
pub(crate) mod batcher;
pub(crate) mod liveness;
pub(crate) mod metadata;
pub(crate) mod pool;
pub(crate) mod single_flight;

use crate::client::metadata_requests::metadata_request;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use kafka_protocol::messages::MetadataRequest;
use tokio::time::{Instant, timeout_at};

use crate::backoff;
use crate::client::cluster::batcher::{AnswersByPartition, Ask, Gather};
use crate::client::cluster::metadata::{ClusterMetadata, PartitionMetadata};
use crate::client::cluster::pool::Pool;
use crate::client::cluster::single_flight::Refreshes;
use crate::client::connection::Connection;
use crate::client::error::{ClientError, ErrorKind, Side};
use crate::client::options::ClientOptions;
use crate::client::types::{EpochEnd, ListedOffset, OffsetSpec, ProducerState, TopicPartition};
use crate::net::HostPort;
use crate::wire::protocol::error_code::ErrorCode;

/// Maximum number of attempts of an admin call.
pub(crate) const ATTEMPTS: u32 = 6;

/// Maximum pause between attempts, unless the configured backoff is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Client of one cluster. Clones share connections and metadata.
#[derive(Clone)]
pub struct Cluster(Arc<ClusterInner>);

struct ClusterInner {
    bootstrap: Vec<HostPort>,
    options: ClientOptions,
    pool: Pool,
    cached: ArcSwapOption<ClusterMetadata>,
    gathered: Batchers,
    refreshes: Refreshes,
}

/// Batched questions about single partitions, by kind.
#[derive(Default)]
pub(crate) struct Batchers {
    /// The question holds the known leader epoch and the requested one.
    pub(crate) epoch_ends: Gather<(i32, i32), EpochEnd>,
    pub(crate) producers: Gather<(), Vec<ProducerState>>,
    pub(crate) offsets: Gather<OffsetSpec, ListedOffset>,
    /// The question is the offset.
    pub(crate) records: Gather<i64, Option<Bytes>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({} {:?})", self.0.options.side, self.0.bootstrap)
    }
}

impl Cluster {
    /// Makes a client of the cluster that these brokers belong to. Connects to none of them yet.
    #[must_use]
    pub fn new(bootstrap: Vec<HostPort>, options: ClientOptions) -> Self {
        Cluster(Arc::new(ClusterInner {
            bootstrap,
            options,
            pool: Pool::default(),
            cached: ArcSwapOption::empty(),
            gathered: Batchers::default(),
            refreshes: Refreshes::default(),
        }))
    }

    /// Returns the options of this client.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// Returns the pinned cluster id; `None` if there is no pin, or if it is not set yet.
    #[must_use]
    pub fn pinned_id(&self) -> Option<&str> {
        self.0.options.pin.as_ref()?.id()
    }

    /// Returns the cached metadata: all topics of the last full answer, and all topics asked for since then;
    /// `None` before the first answer.
    #[must_use]
    pub fn cached(&self) -> Option<Arc<ClusterMetadata>> {
        self.0.cached.load_full()
    }

    /// Requests metadata: of all topics, of the given topics, or of the brokers only (empty list). Never
    /// creates topics. A topic that does not exist is in the answer with its error code.
    ///
    /// # Errors
    /// Returns the last broker's error if no broker answered.
    pub async fn metadata(&self, topics: Option<&[String]>) -> Result<Arc<ClusterMetadata>, ClientError> {
        let request = metadata_request(topics);
        let deadline = Instant::now() + self.0.options.api_timeout;
        let mut last = None;
        // A pooled connection may be dead without being noticed, so another broker or another connection is
        // tried.
        for _ in 0..3 {
            let asked = async {
                let broker = self.any().await?;
                self.answer_of(&broker, request.clone()).await
            };
            match timeout_at(deadline, asked).await {
                Ok(Ok(answer)) => return Ok(self.remember(answer, topics.is_none())),
                Ok(Err(error)) if error.retriable() => last = Some(error),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(last.unwrap_or_else(|| self.out_of_time())),
            }
        }
        Err(last.unwrap_or_else(|| self.no_bootstrap()))
    }

    /// Returns the broker's answer if the broker belongs to the pinned cluster.
    pub(crate) async fn answer_of(
        &self,
        broker: &Connection,
        request: MetadataRequest,
    ) -> Result<ClusterMetadata, ClientError> {
        let answer = ClusterMetadata::of(broker.call_at_most(request, 12).await?);
        if let Some(pin) = &self.0.options.pin {
            broker.admitted(pin, &answer.cluster_id)?;
        }
        Ok(answer)
    }

    /// Merges an answer into the cache. Returns the answer with the leaders of the highest known epochs.
    pub(crate) fn remember(&self, answer: ClusterMetadata, full: bool) -> Arc<ClusterMetadata> {
        let mut believed = Arc::default();
        let _before = self.0.cached.rcu(|before| {
            believed = Arc::new(match before {
                Some(before) => answer.clone().with_newer_leaders_of(before),
                None => answer.clone(),
            });
            match before {
                Some(before) if !full => Some(Arc::new(before.merged(&believed))),
                _ => Some(Arc::clone(&believed)),
            }
        });
        believed
    }

    /// Returns a connection to this broker that is shared with other callers. Requests metadata if the broker
    /// is unknown. A caller that cannot reach a known broker should request metadata itself, since the
    /// broker's address may have changed.
    ///
    /// # Errors
    /// Fails if the broker cannot be reached (immediately during its reconnect backoff), or if there is no
    /// such broker.
    pub async fn broker(&self, id: i32) -> Result<Connection, ClientError> {
        let address = self.address_of(id).await?;
        self.0.pool.get(&address, &self.0.options).await
    }

    /// Opens a new connection to this broker that is not shared. There is no backoff: the caller must limit
    /// its attempts itself.
    ///
    /// # Errors
    /// Fails if the broker cannot be reached, or if there is no such broker.
    pub async fn dedicated(&self, broker_id: i32) -> Result<Connection, ClientError> {
        self.dedicated_within(broker_id, self.0.options.request_timeout).await
    }

    /// Opens a connection like [`Cluster::dedicated`], with this request timeout.
    ///
    /// # Errors
    /// Returns the errors of [`Cluster::dedicated`].
    pub async fn dedicated_within(
        &self,
        broker_id: i32,
        request_timeout: Duration,
    ) -> Result<Connection, ClientError> {
        let address = self.address_of(broker_id).await?;
        let options = ClientOptions { request_timeout, ..self.0.options.clone() };
        Connection::connect(&address, &options).await
    }

    async fn address_of(&self, id: i32) -> Result<HostPort, ClientError> {
        let find = |metadata: &ClusterMetadata| Some(metadata.brokers.get(&id)?.address.clone());
        if let Some(address) = self.cached().as_deref().and_then(find) {
            return Ok(address);
        }
        find(&*self.refreshed(None).await?)
            .ok_or_else(|| ClientError::new(self.side(), ErrorKind::UnknownBroker { id }))
    }

    /// Returns a connection to any broker: an open one if there is one, else to the first of the known
    /// brokers and bootstrap addresses that answers.
    ///
    /// # Errors
    /// Returns the error of the last address.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        let candidates = self.candidates();
        if let Some(live) = candidates.iter().find_map(|address| self.0.pool.live(address)) {
            return Ok(live);
        }
        let mut last = None;
        for address in &candidates {
            match self.0.pool.get(address, &self.0.options).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.no_bootstrap()))
    }

    /// Returns the addresses of brokers: the known ones in random order, then the bootstrap addresses in
    /// random order.
    pub(crate) fn candidates(&self) -> Vec<HostPort> {
        let known = self.cached();
        let mut candidates: Vec<HostPort> = known
            .iter()
            .flat_map(|known| known.brokers.values())
            .map(|broker| broker.address.clone())
            .collect();
        fastrand::shuffle(&mut candidates);
        let known = candidates.len();
        candidates.extend(
            self.0
                .bootstrap
                .iter()
                .filter(|address| !candidates.contains(address))
                .cloned()
                .collect::<Vec<_>>(),
        );
        if let Some(bootstrap) = candidates.get_mut(known..) {
            fastrand::shuffle(bootstrap);
        }
        candidates
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Returns a connection to the controller, or to any broker if the metadata names none.
    pub(crate) async fn controller(&self) -> Result<Connection, ClientError> {
        let metadata = match self.cached() {
            Some(metadata) => metadata,
            None => self.metadata(Some(&[])).await?,
        };
        if metadata.brokers.contains_key(&metadata.controller_id) {
            self.broker(metadata.controller_id).await
        } else {
            self.any().await
        }
    }

    /// Returns the metadata of a partition that has a leader. Requests metadata if the cached one has no
    /// leader for it.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NoLeader`], or the error if no broker answered.
    pub async fn partition(&self, topic: &str, partition: i32) -> Result<PartitionMetadata, ClientError> {
        let led = |metadata: &ClusterMetadata| {
            metadata.partition(topic, partition).filter(|found| found.leader >= 0).cloned()
        };
        if let Some(found) = self.cached().as_deref().and_then(led) {
            return Ok(found);
        }
        let metadata = self.refreshed(Some(topic)).await?;
        led(&metadata).ok_or_else(|| {
            let of_topic =
                metadata.topic(topic).map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |t| t.error_code);
            let of_partition = metadata.partition(topic, partition).map(|found| found.error_code);
            let code = match of_partition {
                Some(code) if !code.is_none() => code,
                Some(_) => ErrorCode::LEADER_NOT_AVAILABLE,
                None if of_topic.is_none() => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                None => of_topic,
            };
            let kind = ErrorKind::NoLeader { topic: topic.to_owned(), partition, code };
            ClientError::new(self.side(), kind)
        })
    }

    /// Calls `once` until it succeeds, fails with a permanent error, has failed [`ATTEMPTS`] times, or the
    /// API timeout is over. Between attempts it pauses (about 2.5 seconds in total with the default backoff)
    /// and refreshes the metadata of `topic`, or of the brokers only.
    pub(crate) async fn retrying<T, F>(
        &self,
        topic: Option<&str>,
        mut once: impl FnMut() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let deadline = Instant::now() + self.0.options.api_timeout;
        let (mut failures, mut last) = (0, None);
        let attempts = async {
            loop {
                let error = match once().await {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
                let failed = Instant::now();
                failures += 1;
                if failures >= ATTEMPTS || !error.retriable() {
                    return Err(error);
                }
                tracing::debug!(side = %self.side(), %error, failures, "trying again");
                last = Some(error);
                self.pause(failures).await;
                // If no broker answers, the next attempt returns that error.
                let _refreshed = self.refreshed_since(topic, failed).await;
            }
        };
        match timeout_at(deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Err(last.unwrap_or_else(|| self.out_of_time())),
        }
    }

    /// The error if the API timeout ends before any attempt has failed.
    fn out_of_time(&self) -> ClientError {
        let address = self.candidates().into_iter().next().unwrap_or_else(|| HostPort::new("", 0));
        let within = self.0.options.api_timeout;
        ClientError::new(self.side(), ErrorKind::Timeout { address, api: "the operation".into(), within })
    }

    pub(crate) async fn pause(&self, failures: u32) {
        let base = self.0.options.retry_backoff;
        tokio::time::sleep(backoff::delay(failures, base, base.max(MAX_BACKOFF))).await;
    }

    pub(crate) fn gathered(&self) -> &Batchers {
        &self.0.gathered
    }

    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.0.refreshes
    }

    /// Converts `ask` into the form that a [`crate::client::cluster::batcher::Gather`] takes.
    pub(crate) fn asking<X: 'static, V: 'static, F>(
        &self,
        ask: fn(Cluster, i32, Vec<(TopicPartition, X)>) -> F,
    ) -> Arc<Ask<X, V>>
    where
        F: Future<Output = AnswersByPartition<V>> + Send + 'static,
    {
        let cluster = self.clone();
        Arc::new(move |broker, questions| Box::pin(ask(cluster.clone(), broker, questions)))
    }

    /// The error for an answer that lacks the requested partition.
    pub(crate) fn unanswered(&self, broker: i32, api: &str) -> ClientError {
        let address = self.cached().and_then(|known| Some(known.brokers.get(&broker)?.address.clone()));
        let kind = ErrorKind::Protocol {
            address: address.unwrap_or_else(|| HostPort::new("", 0)),
            api: api.to_owned(),
            reason: "the response does not name the partition".into(),
        };
        ClientError::new(self.side(), kind)
    }

    pub(crate) fn side(&self) -> Side {
        self.0.options.side
    }

    pub(crate) fn no_bootstrap(&self) -> ClientError {
        let address = HostPort::new("", 0);
        let reason = "no bootstrap servers are configured".to_owned();
        ClientError::new(self.side(), ErrorKind::Connect { address, reason })
    }
}

#[cfg(test)]
mod tests;
