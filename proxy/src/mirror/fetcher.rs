//! One fetcher per source broker: asks for all partitions that it leads and that have room, shapes what comes, queues it.
//!
//! Back-pressure: a partition with a full window is left out of the next fetch; when the budget of the process is spent,
//! all are. So a slow destination stops the fetcher.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::{BrokerId, FetchRequest};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::fetch_session::FetchSession;
use super::fetched::Fetched;
use super::partition::{FetchPlan, NoFetch, Partition};
use super::ready::ReadyBoard;
use crate::client::{ClientError, Cluster, Connection};

/// Highest Fetch version used; from 13 on, topics go by id.
const MAX_FETCH_VERSION: i16 = 17;
/// First version without a replica id of its own (KIP-903).
const FIRST_VERSION_WITHOUT_REPLICA_ID: i16 = 15;
/// How long a fetch may wait for data while another partition waits for room in its window.
const SHORT_WAIT_MS: i32 = 5;
/// Pause when there is nothing to fetch because all windows are full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// Least time from one fetch to the next. A fetch that waits at the source is answered at once whenever something comes, so this
/// delays nothing that trickles; where much comes in small pieces it spares both brokers a request for each of them.
const LEAST_GAP: Duration = Duration::from_millis(2);

/// A partition of which an answer says nothing has nothing new: at least this often it is said to have been asked for.
const CONFIRM: Duration = Duration::from_millis(200);

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
    /// A response later than this ends the connection.
    pub timeout: Duration,
    /// Pause of a partition for which the source answered with an error.
    pub backoff: Duration,
    /// So long such errors are borne before the mirror fails; `None` for ever.
    pub retry_timeout: Option<Duration>,
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
    /// The destination cluster.
    pub destination: Cluster,
    /// Partitions that this broker leads.
    pub assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
    /// Where appenders look for work.
    pub ready: ReadyBoard,
    /// Asks for fresh metadata of the source.
    pub refresh: Arc<Notify>,
    /// Sizes and waits.
    pub options: FetchOptions,
}

impl Fetcher {
    /// Runs until `shutdown`. Connection errors are retried with a pause; nothing is lost by them, since every fetch
    /// names its offsets.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let (mut failures, mut session) = (0u32, FetchSession::default());
        while !shutdown.is_cancelled() {
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = self.connect_and_fetch(&mut session, &mut failures) => round,
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

    async fn connect_and_fetch(
        &mut self,
        session: &mut FetchSession,
        failures: &mut u32,
    ) -> Result<(), ClientError> {
        let connection = self.source.dedicated_within(self.broker, self.options.timeout).await?;
        info!(link = self.link, broker = self.broker, "fetching from source broker");
        session.begin_anew();
        let (mut round, mut confirmed, mut begun) = (0usize, Instant::now(), Instant::now());
        loop {
            tokio::time::sleep_until(begun + LEAST_GAP).await;
            let assigned = Arc::clone(&self.assigned.borrow_and_update());
            let (mut wanted, some_full) = plan(&assigned);
            if wanted.is_empty() {
                let pause = if some_full { FULL_PAUSE } else { Duration::from_millis(20) };
                tokio::select! {
                    changed = self.assigned.changed() => if changed.is_err() { return Ok(()) },
                    () = tokio::time::sleep(pause) => {}
                }
                continue;
            }
            // The source fills a response in the order of the request: each round begins with another partition. Within a
            // session it sees to that itself.
            round = round.wrapping_add(1);
            let count = wanted.len();
            wanted.rotate_left(round % count);
            begun = Instant::now();
            let response = self.fetch(&connection, session, wanted, some_full).await?;
            *failures = 0;
            if !session.answered(&response) {
                debug!(
                    link = self.link,
                    broker = self.broker,
                    "the source broker has forgotten the fetch session"
                );
                tokio::time::sleep(FULL_PAUSE).await;
                continue;
            }
            let (source, destination) = (&self.source, &self.destination);
            let (ready, options) = (&self.ready, &self.options);
            let fetched = Fetched { link: &self.link, source, destination, ready, options };
            if fetched.take(response, session).await {
                self.refresh.notify_one();
            }
            if confirmed.elapsed() > CONFIRM {
                confirmed = Instant::now();
                let now = crate::clock::now_ms();
                session.all().for_each(|told| told.partition.progress.update(|p| p.last_fetch_ms = now));
            }
        }
    }

    async fn fetch(
        &self,
        connection: &Connection,
        session: &mut FetchSession,
        wanted: Vec<(Arc<Partition>, FetchPlan)>,
        some_full: bool,
    ) -> Result<FetchResponse, ClientError> {
        let version = connection.version_of::<FetchRequest>(MAX_FETCH_VERSION)?;
        let wait = if some_full { SHORT_WAIT_MS } else { self.options.wait_max_ms };
        let mut request = FetchRequest::default()
            .with_max_wait_ms(wait)
            .with_min_bytes(self.options.min_bytes)
            .with_max_bytes(self.options.response_max_bytes)
            .with_isolation_level(1);
        if version < FIRST_VERSION_WITHOUT_REPLICA_ID {
            request.replica_id = BrokerId(-1);
        }
        let request = session.ask(request, wanted, version, self.options.max_bytes);
        connection.call_at_most(request, MAX_FETCH_VERSION).await
    }
}

/// What is to be asked for, and whether a full window kept something out.
fn plan(assigned: &[Arc<Partition>]) -> (Vec<(Arc<Partition>, FetchPlan)>, bool) {
    let mut some_full = false;
    let mut wanted = Vec::with_capacity(assigned.len());
    for partition in assigned {
        match partition.fetch_plan() {
            Ok(plan) => wanted.push((Arc::clone(partition), plan)),
            Err(NoFetch::WindowFull) => some_full = true,
            Err(NoFetch::NotRunning) => {}
        }
    }
    (wanted, some_full)
}
