//! Counts the filler that destination logs still hold. The result tells whether clients of a topic still need
//! the gateway.
//!
//! A census reads the log of each partition from its start up to the last offset that can be filler, and
//! looks at batch headers. It runs on request, one at a time in this process. After each read it pauses for
//! as long as the read took, to keep the load on the brokers low. Results are kept in memory only, the last
//! one of each mirror topic.
pub(crate) mod counts;
pub(crate) mod forecast;
pub(crate) mod scan;

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use state::model::{MirrorState, MirrorTopic, View};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub(crate) use self::counts::{PartitionFiller, verdict};
use crate::client::Cluster;
use crate::clock::now_ms;
use crate::mirror::filler_report::scan::Scan;

/// State of a census.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportState {
    /// The census runs or waits for its turn.
    Running,
    /// Every partition was read.
    Done,
    /// The census could not be finished. The value is the reason.
    Failed(String),
}

/// Current result of a census of one mirror topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillerReport {
    /// State of the census.
    pub state: ReportState,
    /// Time when it was requested, in milliseconds since the epoch.
    pub started_ms: i64,
    /// Time when it ended, in milliseconds since the epoch. `None` while it runs.
    pub finished_ms: Option<i64>,
    /// Results in partition order. Empty until the bounds of the logs are known.
    pub partitions: Vec<PartitionFiller>,
}

/// The censuses of one mirror topic.
#[derive(Debug)]
struct ReportEntry {
    generation: u32,
    latest: FillerReport,
    /// The last finished census. It is shown while another one runs.
    done: Option<FillerReport>,
}

type Table = HashMap<String, ReportEntry>;

/// Results by mirror topic. A scan holds only this, not the set of tasks that contains its own task.
#[derive(Debug, Clone, Default)]
struct Results(Arc<Mutex<Table>>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }

    /// Changes the running census. Does nothing if another generation has replaced it.
    fn update(&self, topic: &str, generation: u32, change: impl FnOnce(&mut FillerReport)) {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(topic).filter(|entry| entry.generation == generation) else { return };
        change(&mut entry.latest);
        if entry.latest.state == ReportState::Done {
            entry.done = Some(entry.latest.clone());
        }
    }
}

/// The censuses of all mirror topics. Cheap to clone. Dropping the last clone ends the scans.
#[derive(Clone)]
pub(crate) struct FillerReports {
    destination: Cluster,
    results: Results,
    scans: Arc<Mutex<JoinSet<()>>>,
    turn: Arc<Semaphore>,
}

impl fmt::Debug for FillerReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FillerReports").field("results", &self.results).finish_non_exhaustive()
    }
}

impl FillerReports {
    /// Creates the censuses of topics of this cluster.
    #[must_use]
    pub(crate) fn new(destination: Cluster) -> Self {
        let scans = Arc::new(Mutex::new(JoinSet::new()));
        FillerReports { destination, results: Results::default(), scans, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Returns the latest census of a mirror topic, `None` before the first one since the start of this
    /// process.
    #[must_use]
    pub(crate) fn latest(&self, mirror: &MirrorTopic) -> Option<FillerReport> {
        let all = self.results.lock();
        let entry = all.get(&mirror.topic).filter(|entry| entry.generation == mirror.generation)?;
        Some(entry.latest.clone())
    }

    /// Returns the last finished census of a mirror topic.
    #[must_use]
    pub(crate) fn done(&self, mirror: &MirrorTopic) -> Option<FillerReport> {
        let all = self.results.lock();
        all.get(&mirror.topic).filter(|entry| entry.generation == mirror.generation)?.done.clone()
    }

    /// Starts a census, unless one of this topic is running. Returns the running one. Forgets the results of
    /// topics that are not in `view`.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn start(&self, view: &View, mirror: &MirrorTopic) -> FillerReport {
        let mut all = self.results.lock();
        all.retain(|topic, entry| {
            view.mirrors.get(topic).is_some_and(|known| known.generation == entry.generation)
        });
        let before = all.remove(&mirror.topic).filter(|entry| entry.generation == mirror.generation);
        if let Some(running) = before.as_ref().filter(|entry| entry.latest.state == ReportState::Running) {
            let census = running.latest.clone();
            let _ = before.and_then(|entry| all.insert(mirror.topic.clone(), entry));
            return census;
        }
        let census = FillerReport {
            state: ReportState::Running,
            started_ms: now_ms(),
            finished_ms: None,
            partitions: Vec::new(),
        };
        let entry = ReportEntry {
            generation: mirror.generation,
            latest: census.clone(),
            done: before.and_then(|entry| entry.done),
        };
        let _ = all.insert(mirror.topic.clone(), entry);
        drop(all);
        let mut scans = self.scans.lock();
        while scans.try_join_next().is_some() {}
        let _ = scans.spawn(self.run(mirror));
        census
    }

    /// Returns the task of one census.
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
                    ending.end(ReportState::Done);
                }
                Err(reason) => {
                    tracing::warn!(topic = scan.topic, reason, "filler could not be counted");
                    ending.end(ReportState::Failed(reason));
                }
            }
        }
    }
}

/// Ends a census in the table when it is dropped, so that a cancelled task ends its census too.
struct Ending {
    results: Results,
    topic: String,
    generation: u32,
}

impl Ending {
    fn end(&self, state: ReportState) {
        self.results.update(&self.topic, self.generation, |census| {
            if census.state == ReportState::Running {
                census.state = state;
                census.finished_ms = Some(now_ms());
            }
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(ReportState::Failed("the scan was interrupted".to_owned()));
    }
}

#[cfg(test)]
mod tests;
