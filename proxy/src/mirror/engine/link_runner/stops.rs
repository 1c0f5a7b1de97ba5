//! Starts promotes and failovers.

use std::sync::Arc;

use state::model::{MirrorTopic, StopKind};

use crate::mirror::engine::link_runner::LinkRunner;
use crate::mirror::stop::StopJob;

impl LinkRunner {
    /// Starts a stop, unless it is running already. A failover replaces a promote.
    pub(super) fn stop(&mut self, mirror: &MirrorTopic, stop: StopKind) {
        match self.stops.get(&mirror.topic) {
            Some((running, _)) if *running == stop => return,
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
}
