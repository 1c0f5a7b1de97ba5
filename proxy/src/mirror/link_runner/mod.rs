//! Everything that runs for one link: decides by the journal's view and the metadata of both clusters what each mirror
//! topic needs next, and starts it. Decisions are made here, one at a time; the work is done in tasks that end with it.

mod follow;
mod registering;
mod upkeep;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use state::model::link_config::LinkConfig;
use state::model::{Link, LinkState, MirrorState, MirrorTopic, Stop, View};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::engine::Shared;
use super::fetcher::FetchOptions;
use super::keeper::MetadataKeeper;
use super::partition::Partition;
use super::per_link::unless_panicked;
use super::record;
use super::source_clusters;
use super::stop::StopJob;
use super::topic::{Identification, TopicAtWork, Wanted, wanted};
use super::workers::{Sides, Workers};
use crate::client::{Cluster, ClusterMetadata};

/// How often delays that have run out are looked for at most.
const TICK: Duration = Duration::from_millis(100);
/// So few partitions are looked at whenever one calls for attention, and at every tick.
const FEW: usize = 500;
/// More of them cost one part in so many of a core at most while nothing happens.
const IDLE_PARTS: u32 = 50;
/// And one part in so many while much happens: what calls for attention meanwhile is looked at together.
const BUSY_PARTS: u32 = 10;
/// Nothing that calls for attention waits longer than this for the next look.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Metadata of the destination is asked for this often at least while topics are mirrored, so that leaders that moved are noticed.
const METADATA_INTERVAL: Duration = Duration::from_secs(3);
/// Bytes that one partition holds between fetch and append.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

type Metadata = watch::Receiver<Option<Arc<ClusterMetadata>>>;

/// One link at work.
pub(super) struct LinkRunner {
    shared: Shared,
    link: Link,
    /// As it is shown.
    state: LinkState,
    source: Cluster,
    topics: BTreeMap<String, TopicAtWork>,
    destinations: HashMap<(String, u32), Identification>,
    workers: Workers,
    attention: Arc<Notify>,
    refresh_source: Arc<Notify>,
    refresh_destination: Arc<Notify>,
    source_topics: watch::Sender<Vec<String>>,
    destination_topics: watch::Sender<Vec<String>>,
    source_metadata: Metadata,
    destination_metadata: Metadata,
    /// Partitions whose register is being read.
    registering: HashSet<(String, i32)>,
    registrations: JoinSet<(String, i32)>,
    stops: HashMap<String, (Stop, AbortHandle)>,
    tasks: JoinSet<()>,
    creating: HashMap<String, AbortHandle>,
    /// Topics that are getting more partitions.
    growing: HashMap<String, AbortHandle>,
    /// Mirror topics whose destination topics seem to be deleted.
    forgetting: HashMap<String, AbortHandle>,
    /// Mirror topics whose source topics seem to be gone, or others.
    doubting: HashMap<String, AbortHandle>,
    /// When the producers of open transactions were last asked for.
    asked_for_holders: Option<tokio::time::Instant>,
    /// Topics whose failures are being recorded: in tasks, since a journal that hangs must hold up no decision about others.
    failing: HashMap<String, AbortHandle>,
    /// Topics whose jumps are being recorded.
    jumping: HashMap<String, AbortHandle>,
    cancel: CancellationToken,
}

/// Why a runner came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Cancelled, or the link is gone.
    Over,
    /// The link's configs changed: run again with the new ones.
    Restart,
}

impl LinkRunner {
    /// A runner for `link` whose tasks end with `cancel`.
    pub(super) fn new(shared: Shared, link: Link, config: &LinkConfig, cancel: &CancellationToken) -> Self {
        let source = shared.sources.of(&link, config);
        Self::at_work(shared, link, config, source, cancel)
    }

    /// A runner for a link that this version cannot use: what needs no source is done.
    pub(super) fn of_failed(shared: Shared, link: Link, reason: &str, cancel: &CancellationToken) -> Self {
        let (config, source) = (LinkConfig::defaults(), source_clusters::unusable(reason));
        Self::at_work(shared, link, &config, source, cancel)
    }

    fn at_work(
        shared: Shared,
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
            let keeper = MetadataKeeper {
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
            registering: HashSet::new(),
            registrations: JoinSet::new(),
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

    /// Runs until `over` is cancelled, the link is deleted or its configs change. No task outlives it.
    pub(super) async fn run(mut self, over: &CancellationToken) -> Ended {
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
            self.raise_limits();
            self.look_at_refused_records();
            self.check_lineages();
            self.trim();
            self.name_holders();
            self.register();
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
                Some(done) = self.registrations.join_next(), if !self.registrations.is_empty() => {
                    self.registered(done);
                    // Each pass looks at every partition: one for all that are done.
                    while let Some(done) = self.registrations.try_join_next() {
                        self.registered(done);
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
        self.registrations.shutdown().await;
        self.tasks.shutdown().await;
        self.workers.ended().await;
        ended
    }

    /// Takes up, drops, starts and stops topics as the view wants. Returns true when partitions came or went.
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
                        // More partitions: taken up anew with all of them.
                        || mirror.partitions != work.mirror.partitions
                        || matches!(wanted(mirror, self.state), Wanted::Hold | Wanted::Nothing)
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
            let wants = mine.get(topic.as_str()).is_some_and(|m| wanted(m, self.state) == Wanted::Create);
            if !wants {
                task.abort();
            }
            wants
        });
        for mirror in mine.values() {
            match wanted(mirror, self.state) {
                Wanted::Create => self.create(&mirror.topic),
                Wanted::Mirror => changed |= self.take_up(mirror),
                Wanted::Stop(stop) => {
                    changed |= self.take_up(mirror);
                    self.stop(mirror, stop);
                }
                Wanted::Hold | Wanted::Nothing => {}
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
        let work = TopicAtWork::new(
            mirror,
            &self.link,
            &self.shared.progress,
            WINDOW_BYTES,
            &self.shared.budget,
            &self.attention,
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
        let task = self.tasks.spawn(async move { record::finish_create(&commands, &name).await });
        let _ = self.creating.insert(topic.to_owned(), task);
    }

    fn stop(&mut self, mirror: &MirrorTopic, stop: Stop) {
        match self.stops.get(&mirror.topic) {
            Some((running, _)) if *running == stop => return,
            // A failover overtakes a promote.
            Some((_, task)) => task.abort(),
            None => {}
        }
        let Some(work) = self.topics.get(&mirror.topic) else { return };
        let job = StopJob {
            store: self.shared.store.clone(),
            mirror: mirror.clone(),
            partitions: work.partitions.clone(),
            source: self.source.clone(),
            destination: self.shared.destination.clone(),
            offsets: self.shared.offsets.clone(),
            configs: self.shared.configs.clone(),
            waits: self.shared.progress.stops().clone(),
            undone: Arc::default(),
        };
        let task = self.tasks.spawn(job.run(stop));
        let _ = self.stops.insert(mirror.topic.clone(), (stop, task));
    }

    /// Follows leaders, and judges the identity of topics by metadata that is fresh.
    fn assign(&mut self, fresh_source: bool, fresh_destination: bool) {
        let source = self.source_metadata.borrow_and_update().clone();
        let destination = self.destination_metadata.borrow_and_update().clone();
        if let Some(source) = source.as_ref().filter(|_| fresh_source) {
            self.judge_sources(source);
        }
        if let Some(destination) = destination.as_ref().filter(|_| fresh_destination) {
            self.judge_destinations(destination);
        }
        let partitions: Vec<Arc<Partition>> =
            self.topics.values().flat_map(|work| work.partitions.iter().cloned()).collect();
        self.workers.assign(&partitions, source.as_deref(), destination.as_deref());
    }
}
