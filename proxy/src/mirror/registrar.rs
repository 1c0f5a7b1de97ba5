//! Reads the register of one partition and lets the partition go on from there.

use std::sync::Arc;
use std::time::Duration;

use state::model::MirrorError;
use state::store::Store;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::partition::{Failure, Partition, Register};
use super::ready::ReadyBoard;
use super::register::{self, Next};
use crate::client::Cluster;

/// Pause before a register is read again.
const RETRY: Duration = Duration::from_millis(300);
/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(15);
/// A log that is not ours is looked at again before the mirror fails: its end may have been read in mid-change.
const LOOKS: u32 = 3;

/// One reading.
pub(super) struct Registration {
    pub(super) link: String,
    pub(super) partition: Arc<Partition>,
    pub(super) destination: Cluster,
    /// Where appenders look for work.
    pub(super) ready: ReadyBoard,
    /// Asks for fresh metadata of the destination.
    pub(super) refresh: Arc<Notify>,
    /// Says whether a fence is the mirror's own.
    pub(super) store: Store,
    pub(super) generation: u32,
}

impl Registration {
    pub(super) async fn run(self) {
        if tokio::time::timeout(WITHIN, self.read()).await.is_err() {
            self.partition.delay("the destination leader does not answer", RETRY);
            self.refresh.notify_one();
        }
    }

    async fn read(&self) {
        let id = &self.partition.id;
        let attempt = self.partition.attempt();
        for look in 1..=LOOKS {
            let next = match register::read(&self.destination, id).await {
                Ok(_) if !self.is_still_the_mirror().await => return,
                Ok(reading) => {
                    self.partition.destination_starts_at(reading.log_start);
                    register::judge(id, reading)
                }
                Err(error) => {
                    debug!(link = self.link, topic = id.topic, partition = id.index, %error, "the register cannot be read");
                    self.partition.delay(&format!("the destination's log end is not known: {error}"), RETRY);
                    self.refresh.notify_one();
                    return;
                }
            };
            match next {
                Next::On(register) => return self.go_on(attempt, register),
                Next::Again(why) => return self.partition.delay(why, RETRY),
                Next::Fenced(log_end) => return self.fenced(attempt, log_end),
                Next::Never(failure) if look == LOOKS => {
                    warn!(
                        link = self.link,
                        topic = id.topic,
                        partition = id.index,
                        reason = failure.reason,
                        "mirror partition failed"
                    );
                    return self.partition.fail_attempt(attempt, failure);
                }
                Next::Never(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Whether the log that was just read is the mirror's: the leader was asked by name, and the name may be another
    /// topic's by now. An id never comes back, so what has it after the reading had it before.
    async fn is_still_the_mirror(&self) -> bool {
        let id = &self.partition.id;
        let reason = match self.destination.topic_since(&id.topic, Instant::now()).await {
            Ok(Some(found)) if id.is_local_topic(found.id) => return true,
            Ok(Some(_)) => "the destination topic was deleted and created anew".to_owned(),
            Ok(None) => "the destination topic is not known to the broker that was asked".to_owned(),
            Err(error) => format!("the destination topic cannot be looked up: {error}"),
        };
        debug!(
            link = self.link,
            topic = id.topic,
            partition = id.index,
            reason,
            "the register does not count"
        );
        self.partition.delay(&reason, RETRY);
        self.refresh.notify_one();
        false
    }

    fn go_on(&self, attempt: u64, register: Register) {
        let id = &self.partition.id;
        info!(
            link = self.link,
            topic = id.topic,
            partition = id.index,
            offset = register.next,
            "mirroring goes on"
        );
        if self.partition.registered(attempt, register) {
            self.ready.push(Arc::clone(&self.partition));
        }
    }

    fn fenced(&self, attempt: u64, log_end: i64) {
        // A promote records that it is about to fence before it does.
        let view = self.store.view();
        let mirror = view.mirrors.get(&self.partition.id.topic);
        if mirror.is_some_and(|mirror| mirror.generation == self.generation && mirror.is_closed()) {
            return self.partition.found_fenced(log_end);
        }
        let failure = Failure {
            error: MirrorError::IllegalState,
            reason: format!(
                "the log is fenced at log end offset {log_end}: this mirror was stopped before, perhaps by another Linkgate"
            ),
        };
        self.partition.fail_attempt(attempt, failure);
    }
}
