//! Stops mirrors: promote (planned) and failover (unplanned). Each runs as a task until it is done or
//! cancelled, and starts over after an error. A restarted process starts it over too, since `PENDING_STOPPED`
//! is in the journal.
pub(crate) mod closing;
pub(crate) mod failover;
pub(crate) mod fence;
pub(crate) mod last_syncs;
pub(crate) mod lowering;
pub(crate) mod promote;
pub(crate) mod source_check;
pub(crate) mod undone;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use state::model::{Change, IllegalTransition, MirrorEvent, MirrorState, MirrorTopic, StopKind};
use state::store::Store;
use tracing::{info, warn};

use crate::client::Cluster;
use crate::clock::now_ms;
use crate::mirror::replication::partition::Partition;
use crate::mirror::stop::closing::still_the_same;
use crate::mirror::stop::undone::Undone;
use crate::mirror::stop_waits::StopWaits;
use crate::mirror::sync::configs::ConfigSync;
use crate::mirror::sync::offsets::OffsetSync;

/// Pause before a stop is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(200);
/// Time after which a slow step of a stop is shown to operators.
const LOG_AFTER: Duration = Duration::from_secs(10);

/// Reason why a stop is not complete yet, as a text for operators.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotYet(pub(crate) String);

/// The stop of one mirror topic.
#[derive(Debug)]
pub(crate) struct StopJob {
    pub(crate) store: Store,
    pub(crate) mirror: MirrorTopic,
    pub(crate) partitions: Vec<Arc<Partition>>,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    pub(crate) offsets: OffsetSync,
    pub(crate) configs: ConfigSync,
    pub(crate) waits: StopWaits,
    pub(crate) undone: Arc<Undone>,
}

impl StopJob {
    /// Runs until the stop is complete. To cancel it, drop the future.
    pub(crate) async fn run(self, stop: StopKind) {
        let topic = &self.mirror.topic;
        let started = tokio::time::Instant::now();
        let mut last = String::new();
        loop {
            let attempt = match stop {
                StopKind::Promote => self.promote().await,
                StopKind::Failover => self.failover().await,
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
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
            }
        }
    }

    /// Journals that the topic is open. From then on the gateway lets writes through.
    ///
    /// Fails if another stop has overtaken this one or the mirror was replaced: then these log ends are not
    /// its own.
    async fn complete(&self, stop: StopKind, log_end_offsets: Vec<i64>) -> Result<(), NotYet> {
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

    /// Runs `work`. If it takes long, shows `what` as the reason that holds up the stop, since the time it
    /// began.
    async fn telling<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let (since_ms, mut work) = (now_ms(), std::pin::pin!(work));
        if let Ok(done) = tokio::time::timeout(LOG_AFTER, work.as_mut()).await {
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
