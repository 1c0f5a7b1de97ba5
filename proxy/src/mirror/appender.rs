//! One appender for each lane of a destination broker: sends queued batches of the partitions it leads, several requests in flight.
//!
//! A Produce request carries one batch per partition. Requests are pipelined on one connection: the broker takes them in
//! order, and refuses everything behind a wrong sequence, so a pipeline is as safe as one request at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::appended::{self, Sent};
use super::partition::Partition;
use super::ready::ReadyQueue;
use crate::client::{ClientError, Cluster, Connection};
use crate::wire::produce_encode::{PRODUCE_KEY, ProducePartition, ProduceTopic, produce, produce_version};

/// Requests in flight. Brokers remember the last five batches of a producer, so a replay of these is recognised.
const MAX_IN_FLIGHT: usize = 5;
/// A request is sent once it holds this much; destination brokers take 1 to 4 MiB cheapest.
const REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// How long an appender that ends waits for the answers to what it has sent.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// Appends to the partitions that one destination broker leads.
#[derive(Debug)]
pub struct Appender {
    /// The link, for the log.
    pub link: String,
    /// Id of the destination broker.
    pub broker: i32,
    /// The destination cluster.
    pub destination: Cluster,
    /// Partitions of the lane with something to send.
    pub ready: Arc<ReadyQueue>,
    /// Asks for fresh metadata of the destination.
    pub refresh: Arc<Notify>,
    /// Given to the broker with every request.
    pub timeout: Duration,
}

/// What was sent, in which version, and what came back.
type Answer = (Vec<Sent>, i16, Result<bytes::Bytes, ClientError>);

impl Appender {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
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
                // What waits for a broker that cannot be reached must not use up the budget of all the others.
                for partition in self.ready.take() {
                    if partition.destination_leader() == self.broker {
                        let why = format!("destination broker {} cannot be reached: {error}", self.broker);
                        partition.reset(&why, Some(Duration::from_millis(500)));
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(super::pause_after(failures)) => {}
            }
        }
    }

    /// Until `shutdown`, or an error.
    async fn connect_and_append(
        &self,
        failures: &mut u32,
        shutdown: &CancellationToken,
    ) -> Result<(), ClientError> {
        let connected = shutdown.run_until_cancelled(self.destination.dedicated(self.broker)).await;
        let Some(connected) = connected else { return Ok(()) };
        let connection = connected?;
        info!(link = self.link, broker = self.broker, "appending to destination broker");
        let mut in_flight: FuturesOrdered<BoxFuture<'static, Answer>> = FuturesOrdered::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                Some((sent, version, answer)) = in_flight.next(), if !in_flight.is_empty() => match answer {
                    Ok(body) => {
                        *failures = 0;
                        if appended::take(&self.link, version, body, sent, &self.ready) {
                            self.refresh.notify_one();
                        }
                    }
                    Err(error) => {
                        appended::lost(sent, &error);
                        break Err(error);
                    }
                },
                () = self.ready.changed(), if in_flight.len() < MAX_IN_FLIGHT => {
                    let batches = gather(&self.ready, self.broker);
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
        // Whatever was on its way may or may not have been appended: the register will tell.
        let rest = self.take_rest(in_flight);
        if ended.is_ok() {
            // Whoever takes the link up again reads the register at once.
            let _ = tokio::time::timeout(LAST_ANSWERS_WITHIN, rest).await;
        } else {
            rest.await;
        }
        ended
    }

    async fn take_rest(&self, mut in_flight: FuturesOrdered<BoxFuture<'static, Answer>>) {
        while let Some((sent, version, answer)) = in_flight.next().await {
            match answer {
                Ok(body) => {
                    let _ = appended::take(&self.link, version, body, sent, &self.ready);
                }
                Err(error) => appended::lost(sent, &error),
            }
        }
    }

    async fn send(
        &self,
        connection: &Connection,
        batches: Vec<(Arc<Partition>, super::partition::Sending)>,
    ) -> Result<BoxFuture<'static, Answer>, ClientError> {
        let mut topics: HashMap<String, ProduceTopic> = HashMap::new();
        let mut sent = Vec::with_capacity(batches.len());
        for (partition, sending) in batches {
            let id = &partition.id;
            let (base_offset, size) = (sending.batch.base_offset, sending.batch.size());
            let (max_timestamp, joined) = (sending.batch.max_timestamp(), sending.batch.joined);
            let filler = if sending.batch.filler { sending.batch.next_offset - base_offset } else { 0 };
            let topic = topics.entry(id.topic.clone()).or_insert_with(|| ProduceTopic {
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
            let sending =
                Sent { partition, attempt, base_offset, max_timestamp, size, joined, filler, on_the_way };
            sent.push(sending);
        }
        let topics: Vec<ProduceTopic> = topics.into_values().collect();
        let offered = connection.broker_versions(PRODUCE_KEY).map_or(0, |(_, most)| most);
        let version = produce_version(offered, &topics);
        let timeout_ms = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX);
        let segments = produce(version, 1, timeout_ms, &topics);
        match connection.send_segments(PRODUCE_KEY, version, segments).await {
            Ok(answer) => Ok(Box::pin(async move { (sent, version, answer.await) })),
            Err(error) => {
                appended::lost(sent, &error);
                Err(error)
            }
        }
    }
}

/// Takes one batch of each ready partition until the request is full; what is left stays ready.
fn gather(ready: &ReadyQueue, broker: i32) -> Vec<(Arc<Partition>, super::partition::Sending)> {
    let mut waiting = ready.take();
    let mut batches = Vec::new();
    let mut again = VecDeque::new();
    let mut bytes = 0;
    let mut taken = HashSet::new();
    while bytes < REQUEST_BYTES {
        let Some(partition) = waiting.pop_front() else { break };
        // After a reset it may be queued twice; a request has room for one batch of it.
        if !taken.insert(Arc::as_ptr(&partition)) {
            again.push_back(partition);
            continue;
        }
        let Some((sending, more)) = partition.take_batch(broker) else { continue };
        bytes += sending.batch.size();
        if more {
            again.push_back(Arc::clone(&partition));
        }
        batches.push((partition, sending));
    }
    // Those not served come first next time.
    waiting.append(&mut again);
    ready.put_back(waiting);
    batches
}
