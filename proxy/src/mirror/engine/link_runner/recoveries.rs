//! Starts position recoveries, a limited number at a time.

use std::sync::Arc;

use state::model::StopKind;
use tokio::task::JoinError;

use crate::mirror::engine::link_runner::LinkRunner;
use crate::mirror::replication::position::recovery;
use crate::mirror::sync::per_link::unless_panicked;

/// Maximum number of position recoveries at the same time. Their requests to one broker are batched
/// (`client/cluster/batcher.rs`).
const MAX_RECOVERIES: usize = 1_000;

impl LinkRunner {
    pub(crate) fn recovery_ended(&mut self, done: Result<(String, i32), JoinError>) {
        if let Some(key) = unless_panicked(done) {
            let _ = self.recovering.remove(&key);
        }
    }

    /// Starts the position recoveries that are due.
    pub(crate) fn start_recoveries(&mut self) {
        let now = tokio::time::Instant::now();
        for work in self.topics.values() {
            // A failover writes its fence without knowing the log end.
            let stop = self.stops.get(&work.mirror.topic).map(|(stop, _)| *stop);
            if stop == Some(StopKind::Failover) {
                continue;
            }
            for partition in &work.partitions {
                if self.recoveries.len() >= MAX_RECOVERIES {
                    return;
                }
                if !partition.wants_recovery(now) {
                    continue;
                }
                let key = (partition.id.topic.clone(), partition.id.index);
                if !self.recovering.insert(key.clone()) {
                    continue;
                }
                let recovery = recovery::PositionRecovery {
                    link: self.link.name.clone(),
                    partition: Arc::clone(partition),
                    destination: self.shared.destination.clone(),
                    refresh: Arc::clone(&self.refresh_destination),
                    store: self.shared.store.clone(),
                    generation: work.mirror.generation,
                };
                let _ = self.recoveries.spawn(async move {
                    recovery.run().await;
                    key
                });
            }
        }
    }
}
