//! How a mirror ends: promote (planned) and failover (unplanned). Each runs as a task until it is done or cancelled, and
//! starts over after an error; a restarted process starts it over too, since `PENDING_STOPPED` is in the journal.

mod closing;
mod failover;
mod fence;
mod last_syncs;
mod lowering;
mod promote;
mod source_check;
mod undone;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use state::model::{Change, IllegalTransition, MirrorEvent, MirrorState, MirrorTopic, Stop};
use state::store::Store;
use tracing::{info, warn};

use self::closing::still_the_same;
use self::undone::Undone;
use super::config_sync::ConfigSync;
use super::offset_sync::OffsetSync;
use super::partition::Partition;
use super::stop_waits::StopWaits;
use crate::client::Cluster;
use crate::clock::now_ms;

/// Pause before a stop is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// A part of a stop that takes longer than this is shown.
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Why a stop has not come through yet, for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotYet(pub(super) String);

/// One mirror topic on its way to `STOPPED`.
#[derive(Debug)]
pub(super) struct StopJob {
    pub(super) store: Store,
    pub(super) mirror: MirrorTopic,
    pub(super) partitions: Vec<Arc<Partition>>,
    pub(super) source: Cluster,
    pub(super) destination: Cluster,
    pub(super) offsets: OffsetSync,
    pub(super) configs: ConfigSync,
    pub(super) waits: StopWaits,
    pub(super) undone: Arc<Undone>,
}

impl StopJob {
    /// Runs to the end. Cancel by dropping.
    pub(super) async fn run(self, stop: Stop) {
        let topic = &self.mirror.topic;
        let started = tokio::time::Instant::now();
        let mut last = String::new();
        loop {
            let attempt = match stop {
                Stop::Promote => self.promote().await,
                Stop::Failover => self.failover().await,
            };
            match attempt {
                Ok(log_end_offsets) => {
                    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.waits.clear(topic);
                    for partition in &self.partitions {
                        partition.progress.update(|progress| progress.reason.clear());
                    }
                    info!(link = self.mirror.link, topic, ?stop, ?log_end_offsets, took_ms, "mirror stopped");
                    return;
                }
                Err(reason) => {
                    let reason = reason.to_string();
                    if reason != last {
                        warn!(
                            link = self.mirror.link,
                            topic,
                            ?stop,
                            reason,
                            "stopping the mirror is held up"
                        );
                        last = reason;
                    }
                    self.waits.set(topic, &last);
                    for partition in &self.partitions {
                        partition.progress.update(|progress| progress.reason.clone_from(&last));
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Journals that the topic is open. From here on the gateway lets writes through.
    ///
    /// Not when another stop has overtaken this one, or the mirror is another by now: their ends are not these.
    async fn complete(&self, stop: Stop, log_end_offsets: Vec<i64>) -> Result<(), NotYet> {
        let (job, left_undone) = (self.mirror.clone(), self.undone.lines());
        debug_assert_eq!(job.state, MirrorState::PendingStopped { stop });
        let transition = move |view: &state::model::View, now_ms: i64| {
            let mirror = still_the_same(view, &job)?;
            let mut next = mirror.clone();
            next.state = mirror.on(MirrorEvent::StopCompleted { log_end_offsets })?;
            next.state_ms = now_ms;
            next.stopped_sequence += 1;
            next.left_undone = left_undone;
            Ok::<_, IllegalTransition>((vec![Change::PutMirror(next)], ()))
        };
        let done = self.store.transact("engine", "the stop is complete", transition).await;
        done.map_err(|error| NotYet(error.to_string()))
    }

    /// Does `work`. Where it takes long, `what` it is stands as what holds the stop up, since it began.
    async fn telling<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let (since_ms, mut work) = (now_ms(), std::pin::pin!(work));
        if let Ok(done) = tokio::time::timeout(TELL_AFTER, work.as_mut()).await {
            return done;
        }
        warn!(link = self.mirror.link, topic = self.topic(), what, "stopping the mirror takes long");
        self.waits.set_since(self.topic(), what, since_ms);
        work.await
    }

    fn topic(&self) -> &str {
        &self.mirror.topic
    }
}

#[cfg(test)]
mod tests;
