//! Recovers the append position of one partition, and lets the partition go on from there.

use std::sync::Arc;
use std::time::Duration;

use state::model::MirrorError;
use state::store::Store;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::client::Cluster;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{AppendPosition, Partition};
use crate::mirror::replication::position::{self, Next};

/// Pause before the append position is read again.
const RETRY_BACKOFF: Duration = Duration::from_millis(300);
/// Time limit of a position recovery.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// Number of readings after which a log that is not ours fails the mirror. A single one may have hit the log
/// in mid-change.
const MAX_LOOKS: u32 = 3;

/// One position recovery.
pub(crate) struct PositionRecovery {
    pub(crate) link: String,
    pub(crate) partition: Arc<Partition>,
    pub(crate) destination: Cluster,
    /// Requests fresh destination metadata when notified.
    pub(crate) refresh: Arc<Notify>,
    /// Tells whether a fence is the mirror's own.
    pub(crate) store: Store,
    pub(crate) generation: u32,
}

impl PositionRecovery {
    pub(crate) async fn run(self) {
        let attempt = self.partition.attempt();
        if tokio::time::timeout(RECOVERY_TIMEOUT, self.read(attempt)).await.is_err() {
            self.partition.delay(attempt, "the destination leader does not answer", RETRY_BACKOFF);
            self.refresh.notify_one();
        }
    }

    async fn read(&self, attempt: Attempt) {
        let id = &self.partition.id;
        for look in 1..=MAX_LOOKS {
            let next = match position::read(&self.destination, id).await {
                Ok(_) if !self.is_still_the_mirror(attempt).await => return,
                Ok(reading) => {
                    self.partition.destination_starts_at(reading.log_start);
                    position::judge(id, reading)
                }
                Err(error) => {
                    debug!(link = self.link, topic = id.topic, partition = id.index, %error, "the append position cannot be read");
                    let why = format!("the destination's log end is not known: {error}");
                    self.partition.delay(attempt, &why, RETRY_BACKOFF);
                    self.refresh.notify_one();
                    return;
                }
            };
            match next {
                Next::On(position) => return self.go_on(attempt, position),
                Next::Again(why) => return self.partition.delay(attempt, why, RETRY_BACKOFF),
                Next::Fenced(log_end) => return self.fenced(attempt, log_end),
                Next::Never(failure) if look == MAX_LOOKS => {
                    warn!(
                        link = self.link,
                        topic = id.topic,
                        partition = id.index,
                        reason = failure.reason,
                        "mirror partition failed"
                    );
                    return self.partition.fail(attempt, failure);
                }
                Next::Never(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Returns true if the log that was just read is the mirror's. The leader was asked by name, and another
    /// topic may have the name by now. An id never comes back, so a topic that has the id after the reading
    /// had it before.
    async fn is_still_the_mirror(&self, attempt: Attempt) -> bool {
        let id = &self.partition.id;
        let reason = match self.destination.topic_since(&id.topic, Instant::now()).await {
            Ok(Some(found)) if id.is_local_topic(found.id) => return true,
            Ok(Some(_)) => "the destination topic was deleted and created again".to_owned(),
            Ok(None) => "the broker that was asked does not know the destination topic".to_owned(),
            Err(error) => format!("the destination topic cannot be looked up: {error}"),
        };
        debug!(
            link = self.link,
            topic = id.topic,
            partition = id.index,
            reason,
            "the append position is ignored"
        );
        self.partition.delay(attempt, &reason, RETRY_BACKOFF);
        self.refresh.notify_one();
        false
    }

    fn go_on(&self, attempt: Attempt, position: AppendPosition) {
        let id = &self.partition.id;
        info!(
            link = self.link,
            topic = id.topic,
            partition = id.index,
            offset = position.next,
            "mirroring continues at this offset"
        );
        self.partition.recovered(attempt, position);
    }

    fn fenced(&self, attempt: Attempt, log_end: i64) {
        // A promote journals that it is about to fence before it does.
        let view = self.store.view();
        let mirror = view.mirrors.get(&self.partition.id.topic);
        if mirror.is_some_and(|mirror| mirror.generation == self.generation && mirror.is_closed()) {
            return self.partition.found_fenced(log_end);
        }
        let failure = PartitionFailure {
            error: MirrorError::IllegalState,
            reason: format!(
                "the log is fenced at log end offset {log_end}: this mirror was stopped before, perhaps by another Linkgate"
            ),
        };
        self.partition.fail(attempt, failure);
    }
}
