//! One cluster: its brokers, a connection to each, and what its metadata said last.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, timeout_at};

use super::admin::{EpochEnd, ListedOffset, OffsetSpec, ProducerState, TopicPartition};
use super::backoff;
use super::connection::Connection;
use super::error::{ClientError, ErrorKind, Side};
use super::gather::{Answers, Ask, Gather};
use super::metadata::{ClusterMetadata, PartitionMetadata};
use super::options::ClientOptions;
use super::pool::Pool;
use super::refresh::Refreshes;
use crate::net::HostPort;
use crate::wire::error_code::ErrorCode;

/// How often an admin call is tried before its error is given to the caller.
pub(crate) const ATTEMPTS: u32 = 6;

/// Longest pause between attempts, where no longer backoff is configured.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A cluster. Clones share connections and metadata.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    bootstrap: Vec<HostPort>,
    options: ClientOptions,
    pool: Pool,
    cached: ArcSwapOption<ClusterMetadata>,
    gathered: Gathered,
    refreshes: Refreshes,
}

/// Questions about single partitions, by kind.
#[derive(Default)]
pub(super) struct Gathered {
    /// With the leader epoch known and the one asked for.
    pub(super) epoch_ends: Gather<(i32, i32), EpochEnd>,
    pub(super) producers: Gather<(), Vec<ProducerState>>,
    pub(super) offsets: Gather<OffsetSpec, ListedOffset>,
    /// With the offset.
    pub(super) records: Gather<i64, Option<Bytes>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({} {:?})", self.0.options.side, self.0.bootstrap)
    }
}

impl Cluster {
    /// The cluster that these brokers belong to. Nothing is contacted yet.
    #[must_use]
    pub fn new(bootstrap: Vec<HostPort>, options: ClientOptions) -> Self {
        Cluster(Arc::new(Shared {
            bootstrap,
            options,
            pool: Pool::default(),
            cached: ArcSwapOption::empty(),
            gathered: Gathered::default(),
            refreshes: Refreshes::default(),
        }))
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// Id of the cluster that it is pinned to; `None` where it is not, or not yet.
    #[must_use]
    pub fn pinned_id(&self) -> Option<&str> {
        self.0.options.pin.as_ref()?.id()
    }

    /// The last metadata: all topics of the last full answer and all that were asked for since; `None` before the first.
    #[must_use]
    pub fn cached(&self) -> Option<Arc<ClusterMetadata>> {
        self.0.cached.load_full()
    }

    /// Asks for metadata now: of all topics, or of these (none of them for brokers only). Topics are never created by
    /// it; one that does not exist is in the answer with its error code.
    ///
    /// # Errors
    /// No broker answered; the last one's error.
    pub async fn metadata(&self, topics: Option<&[String]>) -> Result<Arc<ClusterMetadata>, ClientError> {
        let request = metadata_request(topics);
        let deadline = Instant::now() + self.0.options.api_timeout;
        let mut last = None;
        // A pooled connection may have died unnoticed: one more broker, or one more connection, is worth a try.
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

    /// What this broker answers, if it belongs to the pinned cluster.
    pub(super) async fn answer_of(
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

    /// Takes an answer into what is cached, and gives it back as it is to be believed: with the leaders of the highest
    /// epochs that are known.
    pub(super) fn remember(&self, answer: ClusterMetadata, full: bool) -> Arc<ClusterMetadata> {
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

    /// A connection to this broker, shared with other callers. Metadata is asked for when the broker is not known; a
    /// caller to whom a known one is unreachable asks for metadata itself, since its address may have changed.
    ///
    /// # Errors
    /// It cannot be reached (at once, while its reconnect backoff lasts), or there is no such broker.
    pub async fn broker(&self, id: i32) -> Result<Connection, ClientError> {
        let address = self.address_of(id).await?;
        self.0.pool.get(&address, &self.0.options).await
    }

    /// A new connection to this broker that nobody else uses. No backoff: the caller paces itself.
    ///
    /// # Errors
    /// As [`Cluster::broker`].
    pub async fn dedicated(&self, broker_id: i32) -> Result<Connection, ClientError> {
        self.dedicated_within(broker_id, self.0.options.request_timeout).await
    }

    /// As [`Cluster::dedicated`], with a request timeout of its own.
    ///
    /// # Errors
    /// As [`Cluster::dedicated`].
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

    /// A connection to any broker: a live one if there is, else the first that answers of those known and the
    /// bootstrap addresses.
    ///
    /// # Errors
    /// The last one's error.
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

    /// Where a broker may be reached: those known, in any order, and then the bootstrap addresses, in any order.
    pub(super) fn candidates(&self) -> Vec<HostPort> {
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

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The controller, or any broker where the metadata names none.
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

    /// What the metadata says of a partition that has a leader; asks again when it says nothing useful.
    ///
    /// # Errors
    /// [`ErrorKind::NoLeader`], or no broker answered.
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

    /// Does `once` until it succeeds, fails for good, was tried [`ATTEMPTS`] times, or the time for an operation is over. Between
    /// attempts it waits (in all about three seconds, as long as nobody configured another backoff) and asks for metadata again:
    /// of `topic`, or of the brokers only.
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
                // When nobody answers, the next attempt says so itself.
                let _refreshed = self.refreshed_since(topic, failed).await;
            }
        };
        match timeout_at(deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Err(last.unwrap_or_else(|| self.out_of_time())),
        }
    }

    /// The time for an operation is over, and nobody has answered at all.
    fn out_of_time(&self) -> ClientError {
        let address = self.candidates().into_iter().next().unwrap_or_else(|| HostPort::new("", 0));
        let within = self.0.options.api_timeout;
        ClientError::new(self.side(), ErrorKind::Timeout { address, api: "the operation".into(), within })
    }

    pub(crate) async fn pause(&self, failures: u32) {
        let base = self.0.options.retry_backoff;
        tokio::time::sleep(backoff::delay(failures, base, base.max(LONGEST_PAUSE))).await;
    }

    pub(super) fn gathered(&self) -> &Gathered {
        &self.0.gathered
    }

    pub(super) fn refreshes(&self) -> &Refreshes {
        &self.0.refreshes
    }

    /// `ask` as a [`super::gather::Gather`] takes it.
    pub(super) fn asking<X: 'static, V: 'static, F>(
        &self,
        ask: fn(Cluster, i32, Vec<(TopicPartition, X)>) -> F,
    ) -> Arc<Ask<X, V>>
    where
        F: Future<Output = Answers<V>> + Send + 'static,
    {
        let cluster = self.clone();
        Arc::new(move |broker, questions| Box::pin(ask(cluster.clone(), broker, questions)))
    }

    /// What an answer that says nothing of a partition amounts to.
    pub(super) fn unanswered(&self, broker: i32, api: &str) -> ClientError {
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

    pub(super) fn no_bootstrap(&self) -> ClientError {
        let address = HostPort::new("", 0);
        let reason = "no bootstrap servers are configured".to_owned();
        ClientError::new(self.side(), ErrorKind::Connect { address, reason })
    }
}

/// As [`Cluster::metadata`] asks.
pub(super) fn metadata_request(topics: Option<&[String]>) -> MetadataRequest {
    let topic = |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default()
        .with_allow_auto_topic_creation(false)
        .with_topics(topics.map(|names| names.iter().map(topic).collect()))
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
