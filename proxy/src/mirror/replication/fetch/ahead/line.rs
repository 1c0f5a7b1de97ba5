//! The connections to one source broker over which ranges are fetched ahead, each with one request at a time.
//!
//! Several connections, since the socket buffers of both sides bound what one connection has under way, and
//! since a broker handles the requests of a connection one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::client::{ClientError, Cluster, Connection};
use crate::mirror::pause_after;
use crate::mirror::replication::fetch::FetchOptions;
use crate::mirror::replication::fetch::ahead::climb::Climb;
use crate::mirror::replication::fetch::ahead::ranges::Ask;
use crate::mirror::replication::fetch::request::{self, MAX_FETCH_VERSION};
use crate::mirror::replication::partition::Partition;
use crate::wire::protocol::error_code::ErrorCode;

/// Round trip from which on ranges are fetched ahead. Below it, one fetch after the other keeps two cores
/// busy.
const FAR: Duration = Duration::from_millis(4);
/// Number of exchanges of a probe. The shortest one counts.
const PROBES: usize = 3;
/// Maximum pause after a failure. Short, so that work goes on soon after a cut line is back.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// Number of failures in a row after which ordinary fetches go on. They may have a connection that works,
/// while the source takes no others.
const MAX_FAILURES: u32 = 8;
/// Time after that until ranges are fetched ahead again.
const GIVEN_UP_FOR: Duration = Duration::from_secs(30);

/// Connections to one source broker. Shared by the catch-ups of its partitions.
#[derive(Debug)]
pub(crate) struct Line {
    source: Cluster,
    broker: i32,
    options: FetchOptions,
    /// Requests fresh source metadata when notified.
    refresh: Arc<Notify>,
    round_trip_us: AtomicU64,
    turns: Arc<Semaphore>,
    catch_ups: AtomicUsize,
    /// Number of open connections, idle or not.
    open: Arc<AtomicUsize>,
    state: Mutex<LineState>,
}

#[derive(Debug)]
struct LineState {
    climb: Climb,
    /// Number of turns that exist, taken or not.
    turns: usize,
    idle: Vec<OpenConnection>,
    failures: u32,
    /// Until then nothing is asked: the source throttles, or does not answer.
    not_before: Option<Instant>,
    /// When the source did not take or answer these connections for so long that ordinary fetches go on.
    given_up: Option<Instant>,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(crate) struct Turn(OwnedSemaphorePermit);

/// Counts a catch-up until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Line>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.catch_ups.fetch_sub(1, Relaxed) == 1 {
            // Nobody needs the connections now.
            self.0.state.lock().idle.clear();
        }
    }
}

/// Reason why a range brought nothing.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The source did not answer. It may be asked again.
    Lost,
    /// The source refused. An ordinary fetch finds out why.
    Refused,
}

impl Line {
    /// Creates a line without connections.
    pub(crate) fn new(source: Cluster, broker: i32, options: FetchOptions, refresh: Arc<Notify>) -> Self {
        Line {
            source,
            broker,
            options,
            refresh,
            round_trip_us: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(0)),
            catch_ups: AtomicUsize::new(0),
            open: Arc::default(),
            state: Mutex::new(LineState {
                climb: climb(&options, Duration::ZERO),
                turns: 0,
                idle: Vec::new(),
                failures: 0,
                not_before: None,
                given_up: None,
            }),
        }
    }

    /// Takes the time that an exchange with the broker took. Returns true if it may have taken so long for
    /// another reason than the distance: the broker was busy. [`Line::probe`] finds out.
    #[must_use]
    pub(crate) fn is_unsure(&self, exchange: Duration) -> bool {
        self.measured(if exchange < FAR { exchange } else { Duration::ZERO });
        exchange >= FAR
    }

    /// Measures the round trip over a connection that is used for ranges then.
    pub(crate) async fn probe(&self) {
        let Ok(open) = self.dial().await else { return };
        let mut round_trip = open.connection.round_trip();
        for _ in 0..PROBES {
            let begun = Instant::now();
            if open.connection.call(ApiVersionsRequest::default()).await.is_err() {
                return;
            }
            round_trip = round_trip.min(begun.elapsed());
        }
        self.measured(round_trip);
        if self.pays() {
            self.state.lock().idle.push(open);
        }
    }

    fn measured(&self, round_trip: Duration) {
        self.round_trip_us.store(u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns true if fetching ahead pays: the source is far away, and takes more than one connection.
    pub(crate) fn pays(&self) -> bool {
        self.round_trip() >= FAR && self.options.connections > 1 && {
            let given_up = self.state.lock().given_up;
            given_up.is_none_or(|moment| moment.elapsed() >= GIVEN_UP_FOR)
        }
    }

    fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_us.load(Relaxed))
    }

    /// Returns the size of the ranges to ask for, in bytes.
    pub(crate) fn range(&self) -> usize {
        self.state.lock().climb.range()
    }

    /// Returns the id of the broker.
    pub(crate) fn broker(&self) -> i32 {
        self.broker
    }

    /// Counts a catch-up. The first one begins to find out how many ranges to ask for at the same time.
    pub(crate) fn counted(self: &Arc<Self>) -> Counted {
        if self.catch_ups.fetch_add(1, Relaxed) == 0 {
            let mut state = self.state.lock();
            state.climb = climb(&self.options, self.round_trip());
            self.adjust(&mut state);
        }
        Counted(Arc::clone(self))
    }

    /// Returns the number of catch-ups, at least 1.
    pub(crate) fn catch_ups(&self) -> usize {
        self.catch_ups.load(Relaxed).max(1)
    }

    /// Waits for the right to have one more request under way.
    pub(crate) async fn turn(self: Arc<Self>) -> Turn {
        if self.turns.available_permits() == 0 {
            self.state.lock().climb.wants_more();
        }
        let Ok(permit) = Arc::clone(&self.turns).acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        let not_before = self.state.lock().not_before;
        if let Some(moment) = not_before {
            tokio::time::sleep_until(moment).await;
        }
        Turn(permit)
    }

    /// Fetches a range of one partition.
    pub(crate) async fn fetch(
        &self,
        turn: Turn,
        partition: &Partition,
        ask: Ask,
    ) -> Result<PartitionData, NoAnswer> {
        let answer = self.ask(partition, ask).await;
        let mut state = self.state.lock();
        if let Ok(data) = &answer {
            state.failures = 0;
            state.climb.answered(data.records.as_ref().map_or(0, Bytes::len), Instant::now());
        }
        if state.turns > state.climb.allowed() {
            state.turns -= 1;
            turn.0.forget();
        } else {
            self.adjust(&mut state);
        }
        answer
    }

    /// Adds turns up to the allowed number.
    fn adjust(&self, state: &mut LineState) {
        let more = state.climb.allowed().saturating_sub(state.turns);
        self.turns.add_permits(more);
        state.turns += more;
    }

    async fn ask(&self, partition: &Partition, ask: Ask) -> Result<PartitionData, NoAnswer> {
        let idle = self.state.lock().idle.pop();
        let open = match idle {
            Some(open) => open,
            None => self.dial().await?,
        };
        let response = open.fetch(partition, ask).await.map_err(|error| self.lost(&error))?;
        if let Ok(throttle @ 1..) = u64::try_from(response.throttle_time_ms) {
            let until = Instant::now() + Duration::from_millis(throttle).min(self.options.timeout);
            self.state.lock().not_before = Some(until);
        }
        self.state.lock().idle.push(open);
        if !ErrorCode(response.error_code).is_none() {
            return Err(NoAnswer::Refused);
        }
        let is_topic = |topic: &FetchableTopicResponse| {
            if topic.topic_id.is_nil() {
                topic.topic.as_str() == partition.id.source_topic
            } else {
                topic.topic_id == partition.id.source_topic_id.0
            }
        };
        let topic = response.responses.into_iter().find(is_topic);
        let mut partitions = topic.map(|topic| topic.partitions).unwrap_or_default().into_iter();
        let found = partitions.find(|data| data.partition_index == partition.id.index);
        found
            .filter(|data| ErrorCode(data.error_code).is_none() && data.diverging_epoch.epoch < 0)
            .ok_or(NoAnswer::Refused)
    }

    async fn dial(&self) -> Result<OpenConnection, NoAnswer> {
        let count = OpenCount::new(&self.open);
        match self.source.dedicated_within(self.broker, self.options.timeout).await {
            Ok(connection) => Ok(OpenConnection { connection, _count: count }),
            Err(error) => {
                drop(count);
                let others = self.open.load(Relaxed);
                if others > 0 && error.retriable() {
                    // The source has a limit of connections: the others go on.
                    self.state.lock().climb.bound(others);
                    tracing::debug!(broker = self.broker, others, %error, "the source takes no more connections");
                    return Err(NoAnswer::Lost);
                }
                Err(self.lost(&error))
            }
        }
    }

    /// Notes that the source did not answer.
    fn lost(&self, error: &ClientError) -> NoAnswer {
        let mut state = self.state.lock();
        // Connections to the same broker share its fate.
        state.idle.clear();
        let now = Instant::now();
        // All that are under way when the line is cut count as one failure.
        if state.not_before.is_none_or(|moment| moment <= now) {
            state.failures = state.failures.saturating_add(1);
            state.not_before = Some(now + pause_after(state.failures).min(MAX_PAUSE));
        }
        let is_over = !error.retriable() || state.failures >= MAX_FAILURES;
        tracing::debug!(broker = self.broker, %error, is_over, "a range that was asked for ahead is lost");
        if is_over {
            state.given_up = Some(now);
        }
        drop(state);
        self.refresh.notify_one();
        if is_over { NoAnswer::Refused } else { NoAnswer::Lost }
    }
}

fn climb(options: &FetchOptions, round_trip: Duration) -> Climb {
    Climb::new(options.connections, usize::try_from(options.max_bytes).unwrap_or(0), round_trip)
}

/// A connection that is counted while it is open.
#[derive(Debug)]
struct OpenConnection {
    connection: Connection,
    _count: OpenCount,
}

impl OpenConnection {
    async fn fetch(&self, partition: &Partition, ask: Ask) -> Result<FetchResponse, ClientError> {
        let version = self.connection.version_of::<FetchRequest>(MAX_FETCH_VERSION)?;
        let request = request::of_one(partition, ask.from, ask.max_bytes, version);
        self.connection.call_at_most(request, version).await
    }
}

#[derive(Debug)]
struct OpenCount(Arc<AtomicUsize>);

impl OpenCount {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        let _ = all.fetch_add(1, Relaxed);
        OpenCount(Arc::clone(all))
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        let _ = self.0.fetch_sub(1, Relaxed);
    }
}
