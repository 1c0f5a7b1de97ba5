//! One fetcher per source broker: asks for all partitions that it leads and that have room, shapes what comes, queues it.
//!
//! Back-pressure: a partition with a full window is left out of the next fetch; when the budget of the process is spent,
//! all are. So a slow destination stops the fetcher.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::fetched::Fetched;
use super::partition::{FetchPlan, NoFetch, Partition};
use super::ready::ReadyBoard;
use crate::client::{Cluster, Connection};

/// Highest Fetch version used; from 13 on, topics go by id.
const MAX_FETCH_VERSION: i16 = 17;
/// First version that names topics by id (KIP-516).
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// How long a fetch may wait for data while another partition waits for room in its window.
const SHORT_WAIT_MS: i32 = 5;
/// Pause when there is nothing to fetch because all windows are full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// Sizes and waits of a fetch, by the link configs `replica.fetch.*`.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    /// Bytes per partition.
    pub max_bytes: i32,
    /// Bytes per response.
    pub response_max_bytes: i32,
    /// The source waits for this many bytes.
    pub min_bytes: i32,
    /// And no longer than this.
    pub wait_max_ms: i32,
}

/// Fetches what one source broker leads.
#[derive(Debug)]
pub struct Fetcher {
    /// The link, for the log.
    pub link: String,
    /// Id of the source broker.
    pub broker: i32,
    /// The source cluster.
    pub source: Cluster,
    /// Partitions that this broker leads.
    pub assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
    /// Where appenders look for work.
    pub ready: ReadyBoard,
    /// Asks for fresh metadata of the source.
    pub refresh: Arc<Notify>,
    /// Sizes and waits.
    pub options: FetchOptions,
}

/// Partitions of one fetch by (topic name or id, index), with what was asked for.
pub(super) struct Asked {
    pub(super) partition: Arc<Partition>,
    pub(super) plan: FetchPlan,
}

impl Fetcher {
    /// Runs until `shutdown`. Connection errors are retried with a pause; nothing is lost by them, since every fetch
    /// names its offsets.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut failures = 0u32;
        while !shutdown.is_cancelled() {
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = self.connect_and_fetch(&mut failures) => round,
            };
            if let Err(error) = round {
                failures = failures.saturating_add(1);
                self.refresh.notify_one();
                if failures == 1 {
                    warn!(link = self.link, broker = self.broker, %error, "fetching from the source broker failed");
                } else {
                    debug!(link = self.link, broker = self.broker, %error, "fetching still fails");
                }
                let pause = crate::mirror::pause_after(failures);
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    async fn connect_and_fetch(&mut self, failures: &mut u32) -> Result<(), crate::client::ClientError> {
        let connection = self.source.dedicated(self.broker).await?;
        info!(link = self.link, broker = self.broker, "fetching from source broker");
        let mut round = 0usize;
        loop {
            let assigned = Arc::clone(&self.assigned.borrow_and_update());
            let (mut asked, some_full) = plan(&assigned);
            if asked.is_empty() {
                let pause = if some_full { FULL_PAUSE } else { Duration::from_millis(20) };
                tokio::select! {
                    changed = self.assigned.changed() => if changed.is_err() { return Ok(()) },
                    () = tokio::time::sleep(pause) => {}
                }
                continue;
            }
            // The source fills a response in the order of the request: each round begins with another partition.
            round = round.wrapping_add(1);
            let count = asked.len();
            asked.rotate_left(round % count);
            let response = self.fetch(&connection, &asked, some_full).await?;
            *failures = 0;
            let fetched = Fetched { link: &self.link, source: &self.source, ready: &self.ready };
            if fetched.take(response, &asked).await {
                self.refresh.notify_one();
            }
        }
    }

    async fn fetch(
        &self,
        connection: &Connection,
        asked: &[Asked],
        some_full: bool,
    ) -> Result<FetchResponse, crate::client::ClientError> {
        let version = connection.version_of::<FetchRequest>(MAX_FETCH_VERSION)?;
        let wait = if some_full { SHORT_WAIT_MS } else { self.options.wait_max_ms };
        let mut request = FetchRequest::default()
            .with_max_wait_ms(wait)
            .with_min_bytes(self.options.min_bytes)
            .with_max_bytes(self.options.response_max_bytes)
            .with_isolation_level(1)
            .with_session_epoch(-1)
            .with_topics(topics(asked, version, self.options.max_bytes));
        if version < 15 {
            request.replica_id = kafka_protocol::messages::BrokerId(-1);
        }
        connection.call_at_most(request, MAX_FETCH_VERSION).await
    }
}

fn plan(assigned: &[Arc<Partition>]) -> (Vec<Asked>, bool) {
    let mut some_full = false;
    let mut asked = Vec::with_capacity(assigned.len());
    for partition in assigned {
        match partition.fetch_plan() {
            Ok(plan) => asked.push(Asked { partition: Arc::clone(partition), plan }),
            Err(NoFetch::WindowFull) => some_full = true,
            Err(NoFetch::NotRunning) => {}
        }
    }
    (asked, some_full)
}

fn topics(asked: &[Asked], version: i16, max_bytes: i32) -> Vec<FetchTopic> {
    let mut by_topic: HashMap<&str, FetchTopic> = HashMap::new();
    for Asked { partition, plan } in asked {
        let topic = by_topic.entry(&partition.id.source_topic).or_insert_with(|| {
            if version >= FIRST_VERSION_WITH_IDS {
                FetchTopic::default().with_topic_id(partition.id.source_topic_id.0)
            } else {
                let name = StrBytes::from_string(partition.id.source_topic.clone());
                FetchTopic::default().with_topic(TopicName(name))
            }
        });
        let (_, epoch) = partition.source_leader();
        topic.partitions.push(
            FetchPartition::default()
                .with_partition(partition.id.index)
                .with_fetch_offset(plan.offset)
                .with_current_leader_epoch(epoch)
                .with_last_fetched_epoch(if version >= 12 { plan.last_fetched_epoch } else { -1 })
                .with_log_start_offset(-1)
                .with_partition_max_bytes(max_bytes),
        );
    }
    by_topic.into_values().collect()
}
