//! The appender of one lane to a destination broker: sends queued batches of the partitions that the broker
//! leads, with several requests in flight.
//!
//! A Produce request carries one batch per partition. Requests are pipelined on one connection. The broker
//! handles them in order and refuses everything behind a wrong sequence, so a pipeline is as safe as one
//! request at a time.
pub(crate) mod record_refusals;
pub(crate) mod response;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::client::{ClientError, Cluster, Connection};
use crate::mirror::replication::append::response::InFlightBatch;
use crate::mirror::replication::partition::Partition;
use crate::mirror::replication::partition::ready_queue::ReadyQueue;
use crate::wire::messages::produce_encode::{
    EncodedTopic, PRODUCE_KEY, ProducePartition, produce, produce_version,
};

/// Maximum number of requests in flight. Brokers remember the last five batches of a producer, so a replay of
/// these is recognised.
const MAX_IN_FLIGHT: usize = 5;
/// Size from which on a request takes no further batch, in bytes. Requests of 1 to 4 MiB cost destination
/// brokers the least.
const REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// Time limit for the answers to requests in flight when the appender ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause of a partition whose destination leader cannot be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);

/// Task that appends to the partitions of one lane to a destination broker.
#[derive(Debug)]
pub(crate) struct Appender {
    /// Name of the link, for the log.
    pub link: String,
    /// Id of the destination broker.
    pub broker: i32,
    /// Lane to that broker.
    pub lane: usize,
    /// The destination cluster.
    pub destination: Cluster,
    /// Partitions of the lane with something to send.
    pub ready: Arc<ReadyQueue>,
    /// Requests fresh destination metadata when notified.
    pub refresh: Arc<Notify>,
    /// Timeout in every Produce request.
    pub timeout: Duration,
}

/// Batches that were sent, the version of the request, and the answer.
type ProduceAnswer = (Vec<InFlightBatch>, i16, Result<bytes::Bytes, ClientError>);

impl Appender {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0u32;
        loop {
            let ended = self.connect_and_append(&mut failures, &shutdown).await;
            if shutdown.is_cancelled() {
                return;
            }
            if let Err(error) = ended {
                failures = failures.saturating_add(1);
                self.refresh.notify_one();
                if failures == 1 {
                    warn!(link = self.link, broker = self.broker, %error, "appending to the destination broker failed");
                } else {
                    debug!(link = self.link, broker = self.broker, %error, "appending still fails");
                }
                // Batches that wait for an unreachable broker must not use up the budget of all others.
                for partition in self.ready.take() {
                    let why = format!("destination broker {} cannot be reached: {error}", self.broker);
                    partition.unreachable(self.broker, self.lane, &why, UNREACHABLE_PAUSE);
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(crate::mirror::pause_after(failures)) => {}
            }
        }
    }

    /// Appends until `shutdown`, or until an error.
    async fn connect_and_append(
        &self,
        failures: &mut u32,
        shutdown: &CancellationToken,
    ) -> Result<(), ClientError> {
        let connected = shutdown.run_until_cancelled(self.destination.dedicated(self.broker)).await;
        let Some(connected) = connected else { return Ok(()) };
        let connection = connected?;
        info!(link = self.link, broker = self.broker, "appending to destination broker");
        let mut in_flight: FuturesOrdered<BoxFuture<'static, ProduceAnswer>> = FuturesOrdered::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                Some((sent, version, answer)) = in_flight.next(), if !in_flight.is_empty() => match answer {
                    Ok(body) => {
                        *failures = 0;
                        if response::take(&self.link, version, body, sent) {
                            self.refresh.notify_one();
                        }
                    }
                    Err(error) => {
                        response::lost(sent, &error);
                        break Err(error);
                    }
                },
                () = self.ready.changed(), if in_flight.len() < MAX_IN_FLIGHT => {
                    let batches = gather(&self.ready, self.broker, self.lane);
                    if batches.is_empty() {
                        continue;
                    }
                    match self.send(&connection, batches).await {
                        Ok(answer) => in_flight.push_back(answer),
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        // Batches in flight may have been appended or not: position recovery will tell.
        let rest = self.take_rest(in_flight);
        if ended.is_ok() {
            // The next runner of the link recovers the append positions at once, so wait for the answers
            // first.
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
        } else {
            rest.await;
        }
        ended
    }

    async fn take_rest(&self, mut in_flight: FuturesOrdered<BoxFuture<'static, ProduceAnswer>>) {
        while let Some((sent, version, answer)) = in_flight.next().await {
            match answer {
                Ok(body) => {
                    let _ = response::take(&self.link, version, body, sent);
                }
                Err(error) => response::lost(sent, &error),
            }
        }
    }

    async fn send(
        &self,
        connection: &Connection,
        batches: Vec<(Arc<Partition>, crate::mirror::replication::partition::Sending)>,
    ) -> Result<BoxFuture<'static, ProduceAnswer>, ClientError> {
        let mut topics: HashMap<String, EncodedTopic> = HashMap::new();
        let mut sent = Vec::with_capacity(batches.len());
        for (partition, sending) in batches {
            let id = &partition.id;
            let (base_offset, size) = (sending.batch.base_offset, sending.batch.size());
            let (max_timestamp, joined) = (sending.batch.max_timestamp(), sending.batch.joined);
            let filler = if sending.batch.filler { sending.batch.next_offset - base_offset } else { 0 };
            let topic = topics.entry(id.topic.clone()).or_insert_with(|| EncodedTopic {
                name: id.topic.clone(),
                id: *id.local_topic_id.0.as_bytes(),
                partitions: Vec::new(),
            });
            topic.partitions.push(ProducePartition {
                index: id.index,
                header: sending.batch.header,
                payload: sending.batch.payload,
            });
            let (attempt, on_the_way) = (sending.attempt, sending.on_the_way);
            let sending = InFlightBatch {
                partition,
                attempt,
                base_offset,
                max_timestamp,
                size,
                joined,
                filler,
                on_the_way,
            };
            sent.push(sending);
        }
        let topics: Vec<EncodedTopic> = topics.into_values().collect();
        let offered = connection.broker_versions(PRODUCE_KEY).map_or(0, |(_, most)| most);
        let version = produce_version(offered, &topics);
        let timeout_ms = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX);
        let segments = produce(version, 1, timeout_ms, &topics);
        match connection.send_segments(PRODUCE_KEY, version, segments).await {
            Ok(answer) => Ok(Box::pin(async move { (sent, version, answer.await) })),
            Err(error) => {
                response::lost(sent, &error);
                Err(error)
            }
        }
    }
}

/// Takes one batch of each ready partition until the request is full. The rest stays ready.
fn gather(
    ready: &ReadyQueue,
    broker: i32,
    lane: usize,
) -> Vec<(Arc<Partition>, crate::mirror::replication::partition::Sending)> {
    let mut waiting = ready.take();
    let mut batches = Vec::new();
    let mut again = VecDeque::new();
    let mut bytes = 0;
    let mut taken = HashSet::new();
    while bytes < REQUEST_BYTES {
        let Some(partition) = waiting.pop_front() else { break };
        // After a reset a partition may be queued twice. A request has room for one batch of it.
        if !taken.insert(Arc::as_ptr(&partition)) {
            again.push_back(partition);
            continue;
        }
        let Some((sending, more)) = partition.take_batch(broker, lane) else { continue };
        bytes += sending.batch.size();
        if more {
            again.push_back(Arc::clone(&partition));
        }
        batches.push((partition, sending));
    }
    // Partitions that were not served come first next time.
    waiting.append(&mut again);
    ready.put_back(waiting);
    batches
}
