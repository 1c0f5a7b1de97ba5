//! The fetcher of one source broker: fetches for all partitions that the broker leads and that have room, and
//! queues what comes.
//!
//! Back-pressure: a partition with a full window is left out of the next fetch; if the byte budget of the
//! process is spent, all partitions are. So a slow destination stops the fetcher.
pub(crate) mod ahead;
pub(crate) mod extent;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod session;

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_response::FetchResponse;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::client::{ClientError, Cluster, Connection};
use crate::mirror::replication::fetch::ahead::CatchUps;
use crate::mirror::replication::fetch::request::MAX_FETCH_VERSION;
use crate::mirror::replication::fetch::response::FetchResponseHandler;
use crate::mirror::replication::fetch::session::FetchSession;
use crate::mirror::replication::partition::{FetchPlan, NoFetch, Partition};

/// Maximum wait of a fetch at the source while another partition waits for room in its window, in
/// milliseconds.
const SHORT_WAIT_MS: i32 = 5;
/// Pause while all windows are full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// Minimum time between two fetches. A fetch that waits at the source is answered as soon as data comes, so
/// this does not delay a trickle. If much data comes in small pieces, it saves both brokers a request for
/// each piece.
const MIN_FETCH_INTERVAL: Duration = Duration::from_millis(2);

/// Minimum interval between updates of `last_fetch_ms` for all partitions of the session. A partition that
/// the answers do not mention has nothing new, and counts as fetched.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(200);

/// Sizes and waits of a fetch, from the link configs `replica.fetch.*`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchOptions {
    /// Maximum size of the data of one partition, in bytes.
    pub max_bytes: i32,
    /// Maximum size of a response, in bytes.
    pub response_max_bytes: i32,
    /// Size of a response for which the source waits, in bytes.
    pub min_bytes: i32,
    /// Maximum time for which the source waits, in milliseconds.
    pub wait_max_ms: i32,
    /// Time limit of a response. A later one ends the connection.
    pub timeout: Duration,
    /// Pause of a partition after an error of the source.
    pub backoff: Duration,
    /// Time for which errors of the source are tolerated before the mirror fails; `None` means forever.
    pub retry_timeout: Option<Duration>,
    /// Maximum number of connections to one source broker over which a backlog is fetched. With 1, the
    /// session fetches it.
    pub connections: usize,
}

/// Task that fetches from one source broker.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// Name of the link, for the log.
    pub link: String,
    /// Id of the source broker.
    pub broker: i32,
    /// The source cluster.
    pub source: Cluster,
    /// The destination cluster.
    pub destination: Cluster,
    /// Partitions that this broker leads.
    pub assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
    /// Requests fresh source metadata when notified.
    pub refresh: Arc<Notify>,
    /// Sizes and waits of each fetch.
    pub options: FetchOptions,
}

impl Fetcher {
    /// Runs until `shutdown`. After a connection error it pauses and tries again. Nothing is lost by that,
    /// since every fetch names its offsets.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (mut failures, mut session) = (0u32, FetchSession::default());
        let clusters = [&self.source, &self.destination];
        let (assigned, refresh) = (self.assigned.clone(), Arc::clone(&self.refresh));
        let catch_ups = CatchUps::new(&self.link, clusters, self.broker, self.options, assigned, refresh);
        while !shutdown.is_cancelled() {
            let round = tokio::select! {
                () = shutdown.cancelled() => break,
                round = self.connect_and_fetch(&mut session, &mut failures, &catch_ups) => round,
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
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
        catch_ups.end().await;
    }

    async fn connect_and_fetch(
        &mut self,
        session: &mut FetchSession,
        failures: &mut u32,
        catch_ups: &CatchUps,
    ) -> Result<(), ClientError> {
        let connection = self.source.dedicated_within(self.broker, self.options.timeout).await?;
        info!(link = self.link, broker = self.broker, "fetching from source broker");
        catch_ups.connected(connection.round_trip());
        session.begin_anew();
        let (mut round, mut confirmed, mut begun) = (0usize, Instant::now(), Instant::now());
        loop {
            tokio::time::sleep_until(begun + MIN_FETCH_INTERVAL).await;
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
            // The source fills a response in the order of the request, so each round begins with another
            // partition. Within a session, the source rotates the partitions itself.
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
            let options = &self.options;
            let consider = |partition: &Arc<Partition>, seen, committed| {
                catch_ups.consider(partition, seen, committed);
            };
            let fetched = FetchResponseHandler {
                link: &self.link,
                source,
                destination,
                options,
                on_records: catch_ups.pay().then_some(&consider),
            };
            if fetched.take(response, session).await {
                self.refresh.notify_one();
            }
            if confirmed.elapsed() > CONFIRM_INTERVAL {
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
        let request = request::read_committed(version)
            .with_max_wait_ms(wait)
            .with_min_bytes(self.options.min_bytes)
            .with_max_bytes(self.options.response_max_bytes);
        let request = session.ask(request, wanted, version, self.options.max_bytes);
        connection.call_at_most(request, MAX_FETCH_VERSION).await
    }
}

/// Returns what to fetch, and true if a full window left something out.
fn plan(assigned: &[Arc<Partition>]) -> (Vec<(Arc<Partition>, FetchPlan)>, bool) {
    let mut some_full = false;
    let mut wanted = Vec::with_capacity(assigned.len());
    for partition in assigned {
        match partition.fetch_plan() {
            Ok(plan) => wanted.push((Arc::clone(partition), plan)),
            Err(NoFetch::NoRoom) => some_full = true,
            Err(NoFetch::NotRunning) => {}
        }
    }
    (wanted, some_full)
}
