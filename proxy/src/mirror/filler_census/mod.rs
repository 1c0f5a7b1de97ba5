//! How much filler a destination log still holds, and so whether its clients still need the gateway.
//!
//! A census reads the log of each partition from its start to where filler can be at most, and looks at batch headers.
//! It is made when somebody asks for it, one at a time in this process, and with a pause as long as each read: the
//! brokers have better things to do. Results are kept in memory only, the last one of each mirror topic.

mod scan;
mod tally;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use state::model::{MirrorState, MirrorTopic, View};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::scan::Scan;
pub use self::tally::{PartitionTally, Verdict, verdict};
use crate::client::Cluster;
use crate::clock::now_ms;

/// How far a census is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CensusState {
    /// Under way, or waiting for its turn.
    Running,
    /// Every partition has been read.
    Done,
    /// It could not be finished, and why.
    Failed(String),
}

/// A census of one mirror topic, as far as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// How far it is.
    pub state: CensusState,
    /// When it was asked for, in milliseconds since the epoch.
    pub started_ms: i64,
    /// When it ended, in milliseconds since the epoch; `None` while it runs.
    pub finished_ms: Option<i64>,
    /// What was found, in partition order; empty until the bounds of the logs are known.
    pub partitions: Vec<PartitionTally>,
}

/// The censuses of one mirror topic.
#[derive(Debug)]
struct Entry {
    generation: u32,
    latest: Census,
    /// The last one that is done: what is shown while another one runs.
    done: Option<Census>,
}

type Table = HashMap<String, Entry>;

/// Results by mirror topic. A scan holds this and not its own task.
#[derive(Debug, Clone, Default)]
struct Results(Arc<Mutex<Table>>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the census that runs; nothing when another generation has taken its place.
    fn update(&self, topic: &str, generation: u32, change: impl FnOnce(&mut Census)) {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(topic).filter(|entry| entry.generation == generation) else { return };
        change(&mut entry.latest);
        if entry.latest.state == CensusState::Done {
            entry.done = Some(entry.latest.clone());
        }
    }
}

/// The censuses of all mirror topics. Cheap to clone; scans end with the last clone.
#[derive(Clone)]
pub struct FillerCensus {
    destination: Cluster,
    results: Results,
    scans: Arc<Mutex<JoinSet<()>>>,
    turn: Arc<Semaphore>,
}

impl fmt::Debug for FillerCensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FillerCensus").field("results", &self.results).finish_non_exhaustive()
    }
}

impl FillerCensus {
    /// Censuses of topics of this cluster.
    #[must_use]
    pub fn new(destination: Cluster) -> Self {
        let scans = Arc::new(Mutex::new(JoinSet::new()));
        FillerCensus { destination, results: Results::default(), scans, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The latest census of a mirror topic; `None` before the first one since the start of this process.
    #[must_use]
    pub fn latest(&self, mirror: &MirrorTopic) -> Option<Census> {
        let all = self.results.lock();
        let entry = all.get(&mirror.topic).filter(|entry| entry.generation == mirror.generation)?;
        Some(entry.latest.clone())
    }

    /// The last census of a mirror topic that is done.
    #[must_use]
    pub fn done(&self, mirror: &MirrorTopic) -> Option<Census> {
        let all = self.results.lock();
        all.get(&mirror.topic).filter(|entry| entry.generation == mirror.generation)?.done.clone()
    }

    /// Starts a census, unless one of this topic runs already; returns the one that runs. What was known of topics that
    /// `view` does not have is forgotten.
    ///
    /// Must be called within a tokio runtime.
    pub fn start(&self, view: &View, mirror: &MirrorTopic) -> Census {
        let mut all = self.results.lock();
        all.retain(|topic, entry| {
            view.mirrors.get(topic).is_some_and(|known| known.generation == entry.generation)
        });
        let before = all.remove(&mirror.topic).filter(|entry| entry.generation == mirror.generation);
        if let Some(running) = before.as_ref().filter(|entry| entry.latest.state == CensusState::Running) {
            let census = running.latest.clone();
            let _ = before.and_then(|entry| all.insert(mirror.topic.clone(), entry));
            return census;
        }
        let census = Census {
            state: CensusState::Running,
            started_ms: now_ms(),
            finished_ms: None,
            partitions: Vec::new(),
        };
        let entry = Entry {
            generation: mirror.generation,
            latest: census.clone(),
            done: before.and_then(|entry| entry.done),
        };
        let _ = all.insert(mirror.topic.clone(), entry);
        drop(all);
        let mut scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        while scans.try_join_next().is_some() {}
        let _ = scans.spawn(self.run(mirror));
        census
    }

    /// The task of one census.
    fn run(&self, mirror: &MirrorTopic) -> impl Future<Output = ()> + Send + use<> {
        let scan = Scan {
            destination: self.destination.clone(),
            topic: mirror.topic.clone(),
            partitions: mirror.partitions,
            stopped_at: match &mirror.state {
                MirrorState::Stopped { log_end_offsets, .. } => log_end_offsets.clone(),
                _ => Vec::new(),
            },
        };
        let ending = Ending {
            results: self.results.clone(),
            topic: mirror.topic.clone(),
            generation: mirror.generation,
        };
        let turn = Arc::clone(&self.turn);
        async move {
            let _turn = turn.acquire().await;
            let seen = scan
                .run(|partitions| {
                    ending.results.update(&ending.topic, ending.generation, |census| {
                        census.partitions = partitions.to_vec();
                    });
                })
                .await;
            match seen {
                Ok(()) => {
                    tracing::info!(topic = scan.topic, "filler counted");
                    ending.end(CensusState::Done);
                }
                Err(reason) => {
                    tracing::warn!(topic = scan.topic, reason, "filler could not be counted");
                    ending.end(CensusState::Failed(reason));
                }
            }
        }
    }
}

/// Ends a census in the table, also when its task is cut off.
struct Ending {
    results: Results,
    topic: String,
    generation: u32,
}

impl Ending {
    fn end(&self, state: CensusState) {
        self.results.update(&self.topic, self.generation, |census| {
            if census.state == CensusState::Running {
                census.state = state;
                census.finished_ms = Some(now_ms());
            }
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(CensusState::Failed("the scan was cut off".to_owned()));
    }
}

#[cfg(test)]
mod tests;
