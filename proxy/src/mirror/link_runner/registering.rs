//! Registers to be read: which, and how many at a time.

use std::sync::Arc;

use state::model::Stop;
use tokio::task::JoinError;

use super::LinkRunner;
use crate::mirror::per_link::unless_panicked;
use crate::mirror::registrar;

/// Registers read at the same time: what they ask of one broker travels together (`client/gather.rs`).
const REGISTRATIONS: usize = 1_000;

impl LinkRunner {
    pub(super) fn registered(&mut self, done: Result<(String, i32), JoinError>) {
        if let Some(key) = unless_panicked(done) {
            let _ = self.registering.remove(&key);
        }
    }

    /// Starts reading the registers that are wanted.
    pub(super) fn register(&mut self) {
        let now = tokio::time::Instant::now();
        for work in self.topics.values() {
            // A failover writes its fence without knowing where the log ends.
            let stop = self.stops.get(&work.mirror.topic).map(|(stop, _)| *stop);
            if stop == Some(Stop::Failover) {
                continue;
            }
            for partition in &work.partitions {
                if self.registrations.len() >= REGISTRATIONS {
                    return;
                }
                if !partition.wants_register(now) {
                    continue;
                }
                let key = (partition.id.topic.clone(), partition.id.index);
                if !self.registering.insert(key.clone()) {
                    continue;
                }
                let registration = registrar::Registration {
                    link: self.link.name.clone(),
                    partition: Arc::clone(partition),
                    destination: self.shared.destination.clone(),
                    ready: self.workers.ready().clone(),
                    refresh: Arc::clone(&self.refresh_destination),
                    store: self.shared.store.clone(),
                    generation: work.mirror.generation,
                };
                let _ = self.registrations.spawn(async move {
                    registration.run().await;
                    key
                });
            }
        }
    }
}
