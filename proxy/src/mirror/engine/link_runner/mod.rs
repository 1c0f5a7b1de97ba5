//! The link runner: decides from the journal's view and the metadata of both clusters what each mirror topic
//! of a link needs next, and starts it. Decisions are made here, one at a time. The work is done in tasks
//! that end with the runner.

pub(crate) mod log_starts;
pub(crate) mod recoveries;
pub(crate) mod stops;
pub(crate) mod topic_identity;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use state::model::link_config::LinkConfig;
use state::model::{Link, LinkState, MirrorState, MirrorTopic, StopKind, View};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::client::{Cluster, ClusterMetadata};
use crate::mirror::clusters;
use crate::mirror::engine::EngineShared;
use crate::mirror::engine::metadata_refresher::MetadataRefresher;
use crate::mirror::engine::running_mirror::{
    DesiredAction, RunningMirror, TopicIdentityCheck, desired_action,
};
use crate::mirror::journal;
use crate::mirror::replication::assignment::{Sides, Workers};
use crate::mirror::replication::fetch::FetchOptions;
use crate::mirror::replication::partition::{Partition, Wakes};
use crate::mirror::sync::per_link::unless_panicked;

/// Minimum time without an event before the next pass, which finds delays that have run out.
const TICK: Duration = Duration::from_millis(100);
/// Number of partitions up to which every call for attention and every tick starts a pass at once.
const FEW: usize = 500;
/// With more partitions, passes use at most 1/50 of a core while nothing happens.
const IDLE_PARTS: u32 = 50;
/// With more partitions, passes use about 1/10 of a core while much happens: one pass serves all calls for
/// attention that came meanwhile.
const BUSY_PARTS: u32 = 10;
/// Maximum pause before the next pass while something calls for attention.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Maximum time between two metadata requests to the destination, so that a change of leaders is noticed.
const METADATA_INTERVAL: Duration = Duration::from_secs(3);
/// Size of the window of one partition: bytes that it holds between fetch and append.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

type Metadata = watch::Receiver<Option<Arc<ClusterMetadata>>>;

/// The runner of one link.
pub(crate) struct LinkRunner {
    shared: EngineShared,
    link: Link,
    /// State as operators see it (`Link::status`).
    state: LinkState,
    source: Cluster,
    topics: BTreeMap<String, RunningMirror>,
    destinations: HashMap<(String, u32), TopicIdentityCheck>,
    workers: Workers,
    attention: Arc<Notify>,
    refresh_source: Arc<Notify>,
    refresh_destination: Arc<Notify>,
    source_topics: watch::Sender<Vec<String>>,
    destination_topics: watch::Sender<Vec<String>>,
    source_metadata: Metadata,
    destination_metadata: Metadata,
    /// Partitions whose append position is being recovered.
    recovering: HashSet<(String, i32)>,
    recoveries: JoinSet<(String, i32)>,
    stops: HashMap<String, (StopKind, AbortHandle)>,
    tasks: JoinSet<()>,
    creating: HashMap<String, AbortHandle>,
    /// Topics that are getting more partitions.
    growing: HashMap<String, AbortHandle>,
    /// Mirror topics whose destination topics seem to be deleted.
    forgetting: HashMap<String, AbortHandle>,
    /// Mirror topics whose source topics seem to be deleted or replaced.
    doubting: HashMap<String, AbortHandle>,
    /// Time of the last request for the producers of open transactions.
    asked_for_holders: Option<tokio::time::Instant>,
    /// Topics whose failures are being journaled. Tasks do that, since a journal that hangs must not hold up
    /// decisions about other topics.
    failing: HashMap<String, AbortHandle>,
    /// Topics whose log start jumps are being journaled.
    jumping: HashMap<String, AbortHandle>,
    cancel: CancellationToken,
}

/// Reason why a runner returned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Cancelled, or the link is gone.
    Over,
    /// The link's configs changed: start again with the new ones.
    Restart,
}

impl LinkRunner {
    /// Creates a runner for `link`. Its tasks end with `cancel`.
    pub(crate) fn new(
        shared: EngineShared,
        link: Link,
        config: &LinkConfig,
        cancel: &CancellationToken,
    ) -> Self {
        let source = shared.sources.of(&link, config);
        Self::at_work(shared, link, config, source, cancel)
    }

    /// Creates a runner for a link that this version cannot use. It does only what needs no source.
    pub(crate) fn of_failed(
        shared: EngineShared,
        link: Link,
        reason: &str,
        cancel: &CancellationToken,
    ) -> Self {
        let (config, source) = (LinkConfig::defaults(), clusters::unusable(reason));
        Self::at_work(shared, link, &config, source, cancel)
    }

    fn at_work(
        shared: EngineShared,
        link: Link,
        config: &LinkConfig,
        source: Cluster,
        cancel: &CancellationToken,
    ) -> Self {
        let cancel = cancel.child_token();
        let (refresh_source, refresh_destination) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let (source_topics, asked_source) = watch::channel(Vec::new());
        let (destination_topics, asked_destination) = watch::channel(Vec::new());
        let (publish_source, source_metadata) = watch::channel(None);
        let (publish_destination, destination_metadata) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for (cluster, side, topics, refresh, publish, interval) in [
            (&source, "source", asked_source, &refresh_source, publish_source, config.metadata_max_age),
            (
                &shared.destination,
                "destination",
                asked_destination,
                &refresh_destination,
                publish_destination,
                METADATA_INTERVAL,
            ),
        ] {
            let keeper = MetadataRefresher {
                cluster: cluster.clone(),
                side,
                link: link.name.clone(),
                topics,
                refresh: Arc::clone(refresh),
                publish,
                interval,
            };
            let _ = tasks.spawn(keeper.run(cancel.clone()));
        }
        let sides = Sides {
            link: link.name.clone(),
            source: source.clone(),
            destination: shared.destination.clone(),
            refresh_source: Arc::clone(&refresh_source),
            refresh_destination: Arc::clone(&refresh_destination),
            fetch: FetchOptions {
                max_bytes: config.fetch.partition_bytes,
                response_max_bytes: config.fetch.response_bytes,
                min_bytes: config.fetch.min_bytes,
                wait_max_ms: i32::try_from(config.fetch.max_wait.as_millis()).unwrap_or(i32::MAX),
                timeout: config.fetch.timeout,
                backoff: config.fetch.backoff,
                retry_timeout: config.retry_timeout,
                connections: config.fetch.connections,
            },
            append_timeout: config.request_timeout,
        };
        LinkRunner {
            workers: Workers::new(sides, cancel.clone()),
            shared,
            state: link.status().state,
            link,
            source,
            topics: BTreeMap::new(),
            destinations: HashMap::new(),
            attention: Arc::default(),
            refresh_source,
            refresh_destination,
            source_topics,
            destination_topics,
            source_metadata,
            destination_metadata,
            recovering: HashSet::new(),
            recoveries: JoinSet::new(),
            stops: HashMap::new(),
            tasks,
            creating: HashMap::new(),
            growing: HashMap::new(),
            forgetting: HashMap::new(),
            doubting: HashMap::new(),
            asked_for_holders: None,
            failing: HashMap::new(),
            jumping: HashMap::new(),
            cancel,
        }
    }

    /// Runs until `over` is cancelled, the link is deleted or its configs change. No task outlives the
    /// runner.
    pub(crate) async fn run(mut self, over: &CancellationToken) -> Ended {
        let mut news = self.shared.store.watch();
        let ended = loop {
            let begun = tokio::time::Instant::now();
            let _ = news.borrow_and_update();
            let view = self.shared.store.view();
            match view.links.get(&self.link.name) {
                Some(link) if link.id != self.link.id => break Ended::Over,
                Some(link) if link.configs != self.link.configs => break Ended::Restart,
                Some(link) if *link != self.link => {
                    self.link = link.clone();
                    self.state = link.status().state;
                }
                Some(_) => {}
                None => break Ended::Over,
            }
            let changed = self.reconcile(&view);
            let fresh_source = self.source_metadata.has_changed().unwrap_or(false);
            let fresh_destination = self.destination_metadata.has_changed().unwrap_or(false);
            if changed || fresh_source || fresh_destination {
                self.assign(fresh_source, fresh_destination);
            }
            self.record_failures();
            self.record_jumps();
            self.raise_size_limits();
            self.handle_record_refusals();
            self.check_truncations();
            self.trim();
            self.find_blocking_transactions();
            self.start_recoveries();
            let count: usize = self.topics.values().map(|work| work.partitions.len()).sum();
            let took = if count > FEW { begun.elapsed() } else { Duration::ZERO };
            if !took.is_zero() {
                tokio::time::sleep(LONGEST_PAUSE.min(took * (BUSY_PARTS - 1))).await;
            }
            tokio::select! {
                () = over.cancelled() => break Ended::Over,
                changed = news.changed() => if changed.is_err() { break Ended::Over },
                changed = self.source_metadata.changed() => if changed.is_ok() { self.source_metadata.mark_changed() },
                changed = self.destination_metadata.changed() => if changed.is_ok() { self.destination_metadata.mark_changed() },
                () = self.attention.notified() => {}
                Some(done) = self.recoveries.join_next(), if !self.recoveries.is_empty() => {
                    self.recovery_ended(done);
                    // Each pass looks at every partition: one pass for all that are done.
                    while let Some(done) = self.recoveries.try_join_next() {
                        self.recovery_ended(done);
                    }
                }
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    let _ = unless_panicked(done);
                    while let Some(done) = self.tasks.try_join_next() {
                        let _ = unless_panicked(done);
                    }
                }
                done = self.workers.join_next() => {
                    let _ = unless_panicked(done);
                }
                () = tokio::time::sleep(TICK.max(took * IDLE_PARTS)) => self.look_for_leaders(),
            }
        };
        self.cancel.cancel();
        self.recoveries.shutdown().await;
        self.tasks.shutdown().await;
        self.workers.ended().await;
        // The next runner shows its progress in the same place: answers that are still to come count for nothing.
        for work in self.topics.values() {
            work.partitions.iter().for_each(|partition| partition.abandon());
        }
        ended
    }

    /// Starts, stops and drops topics as the view says. Returns true if partitions were added or removed.
    fn reconcile(&mut self, view: &View) -> bool {
        let name = self.link.name.clone();
        let mine: BTreeMap<&str, &MirrorTopic> =
            view.mirrors_of(&name).map(|mirror| (mirror.topic.as_str(), mirror)).collect();
        let mut changed = false;
        let dropped: Vec<String> = self
            .topics
            .iter()
            .filter(|(topic, work)| {
                mine.get(topic.as_str()).is_none_or(|mirror| {
                    mirror.generation != work.mirror.generation
                        // It has more partitions: work begins again with all of them.
                        || mirror.partitions != work.mirror.partitions
                        || matches!(desired_action(mirror, self.state), DesiredAction::Hold | DesiredAction::Nothing)
                })
            })
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in dropped {
            changed = true;
            if let Some(work) = self.topics.remove(&topic) {
                work.partitions.iter().for_each(|partition| partition.abandon());
            }
            if let Some((_, stop)) = self.stops.remove(&topic) {
                stop.abort();
            }
            if !mine.contains_key(topic.as_str()) {
                self.shared.progress.remove(&topic);
            }
        }
        self.creating.retain(|topic, task| {
            let wants = mine
                .get(topic.as_str())
                .is_some_and(|m| desired_action(m, self.state) == DesiredAction::Create);
            if !wants {
                task.abort();
            }
            wants
        });
        for mirror in mine.values() {
            match desired_action(mirror, self.state) {
                DesiredAction::Create => self.create(&mirror.topic),
                DesiredAction::Mirror => changed |= self.take_up(mirror),
                DesiredAction::Stop(stop) => {
                    changed |= self.take_up(mirror);
                    self.stop(mirror, stop);
                }
                DesiredAction::Hold | DesiredAction::Nothing => {}
            }
        }
        self.ask_for_topics(&mine);
        changed
    }

    fn ask_for_topics(&self, mine: &BTreeMap<&str, &MirrorTopic>) {
        let live = mine.values().filter(|mirror| !matches!(mirror.state, MirrorState::Stopped { .. }));
        let sources: Vec<String> = live.map(|mirror| mirror.source_topic.clone()).collect();
        let locals: Vec<String> = mine.keys().map(|topic| (*topic).to_owned()).collect();
        for (asked, topics) in [(&self.source_topics, sources), (&self.destination_topics, locals)] {
            let _ = asked.send_if_modified(|present| {
                let differs = *present != topics;
                if differs {
                    *present = topics;
                }
                differs
            });
        }
    }

    fn take_up(&mut self, mirror: &MirrorTopic) -> bool {
        if self.topics.contains_key(&mirror.topic) {
            return false;
        }
        let wakes = Wakes { attention: Arc::clone(&self.attention), ready: self.workers.ready() };
        let work = RunningMirror::new(
            mirror,
            &self.link,
            &self.shared.progress,
            WINDOW_BYTES,
            &self.shared.budget,
            &wakes,
        );
        info!(
            link = self.link.name,
            topic = mirror.topic,
            partitions = mirror.partitions,
            "working on mirror topic"
        );
        let _ = self.topics.insert(mirror.topic.clone(), work);
        true
    }

    fn create(&mut self, topic: &str) {
        if self.creating.get(topic).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (commands, name) = (self.shared.commands.clone(), topic.to_owned());
        let task = self.tasks.spawn(async move { journal::finish_create(&commands, &name).await });
        let _ = self.creating.insert(topic.to_owned(), task);
    }

    /// Follows leader changes, and judges the identity of topics by metadata that is fresh.
    fn assign(&mut self, fresh_source: bool, fresh_destination: bool) {
        let source = self.source_metadata.borrow_and_update().clone();
        let destination = self.destination_metadata.borrow_and_update().clone();
        if let Some(source) = source.as_ref().filter(|_| fresh_source) {
            self.check_source_identity(source);
        }
        if let Some(destination) = destination.as_ref().filter(|_| fresh_destination) {
            self.check_destination_identity(destination);
        }
        let partitions: Vec<Arc<Partition>> =
            self.topics.values().flat_map(|work| work.partitions.iter().cloned()).collect();
        self.workers.assign(&partitions, source.as_deref(), destination.as_deref());
    }
}
