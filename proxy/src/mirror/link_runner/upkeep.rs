//! What the runner notices besides its decisions: topics that are gone or are others, and limits that are too low.

use state::model::{KafkaUuid, MirrorTopic, Stop, View};

use tracing::{debug, warn};

use super::LinkRunner;
use crate::client::{Cluster, ClusterMetadata};
use crate::mirror::partition::{Failure, Phase};
use crate::mirror::record;
use crate::mirror::source_clusters::{self, NotTheSource};
use crate::mirror::topic::Found;

/// Whether every source broker that answers says that the mirrored topic is no more, or is another one.
async fn is_another_or_gone(source: &Cluster, mirror: &MirrorTopic) -> bool {
    match source_clusters::fresh_topic(source, mirror).await {
        Ok(found) => found.partitions.len() < mirror.partitions as usize,
        Err(NotTheSource::Missing(_) | NotTheSource::Other { .. }) => true,
        Err(error @ (NotTheSource::Unanswered(_) | NotTheSource::Disputed { .. })) => {
            debug!(link = mirror.link, topic = mirror.topic, %error, "the source topic seems to be gone, and nobody confirms it");
            false
        }
    }
}

/// Whether a promote of this mirror has begun to fence: its source no longer decides what becomes of it.
pub(super) fn is_closed(view: &View, mirror: &MirrorTopic) -> bool {
    let now = view.mirrors.get(&mirror.topic).filter(|now| now.generation == mirror.generation);
    now.is_some_and(MirrorTopic::is_closed)
}

impl LinkRunner {
    pub(super) fn judge_sources(&mut self, source: &ClusterMetadata) {
        let mut gone = Vec::new();
        let view = self.shared.store.view();
        for (topic, work) in &mut self.topics {
            // A failover asks nothing of the source, and behind the fence a promote only what it can do without.
            let is_failover = self.stops.get(topic).is_some_and(|(stop, _)| *stop == Stop::Failover);
            if is_failover || is_closed(&view, &work.mirror) {
                continue;
            }
            match work.source.source(&work.mirror, source.topic(&work.mirror.source_topic)) {
                Found::Gone(error, reason) => gone.push((topic.clone(), Failure { error, reason })),
                Found::Wrong => self.refresh_source.notify_one(),
                Found::Same => {}
            }
        }
        self.grow(source);
        self.doubting.retain(|_, task| !task.is_finished());
        for (topic, failure) in gone {
            let Some(work) = self.topics.get(&topic).filter(|_| !self.doubting.contains_key(&topic)) else {
                continue;
            };
            // A failed mirror stays failed: what one broker after the other says is not enough, all are asked.
            let (source, mirror, partitions) =
                (self.source.clone(), work.mirror.clone(), work.partitions.clone());
            let task = self.tasks.spawn(async move {
                if is_another_or_gone(&source, &mirror).await {
                    partitions.iter().for_each(|partition| partition.fail(failure.clone()));
                }
            });
            let _ = self.doubting.insert(topic, task);
        }
    }

    /// A destination topic that was deleted takes its mirror with it, whatever the mirror's state.
    pub(super) fn judge_destinations(&mut self, destination: &ClusterMetadata) {
        let view = self.shared.store.view();
        let mut gone = Vec::new();
        let there =
            view.mirrors_of(&self.link.name).filter(|mirror| mirror.local_topic_id != KafkaUuid::ZERO);
        for mirror in there {
            // The answer may be of before the topic was asked for.
            if !self.destination_topics.borrow().contains(&mirror.topic) {
                continue;
            }
            let seen = self.destinations.entry((mirror.topic.clone(), mirror.generation)).or_default();
            match seen.destination(mirror, destination.topic(&mirror.topic)) {
                Found::Gone(..) => gone.push(mirror.clone()),
                Found::Wrong => self.refresh_destination.notify_one(),
                Found::Same => {}
            }
        }
        self.destinations.retain(|(topic, generation), _| {
            view.mirrors.get(topic).is_some_and(|mirror| mirror.generation == *generation)
        });
        self.forgetting.retain(|_, task| !task.is_finished());
        for mirror in gone {
            if self.forgetting.contains_key(&mirror.topic) {
                continue;
            }
            let (store, destination) = (self.shared.store.clone(), self.shared.destination.clone());
            let topic = mirror.topic.clone();
            let task = self.tasks.spawn(async move {
                if let Err(error) = record::forget_if_gone(&store, &destination, &mirror).await {
                    warn!(link = mirror.link, topic = mirror.topic, %error, "the end of a mirror topic could not be recorded");
                }
            });
            let _ = self.forgetting.insert(topic, task);
        }
    }

    /// Raises `max.message.bytes` of topics whose batches the destination found too large.
    pub(super) fn raise_limits(&mut self) {
        for work in self.topics.values() {
            let Some(size) = work.partitions.iter().filter_map(|partition| partition.take_too_large()).max()
            else {
                continue;
            };
            let (destination, topic) = (self.shared.destination.clone(), work.mirror.topic.clone());
            let _ = self
                .tasks
                .spawn(async move { record::raise_max_message_bytes(&destination, &topic, size).await });
        }
    }

    /// Journals the first failure of each topic.
    pub(super) fn record_failures(&mut self) {
        self.failing.retain(|_, task| !task.is_finished());
        let view = self.shared.store.view();
        // What is closed gets its fences, whatever was found out before.
        for (topic, work) in self.topics.iter().filter(|(_, work)| !is_closed(&view, &work.mirror)) {
            let failed = work.partitions.iter().find_map(|partition| match partition.phase() {
                Phase::Failed(failure) => Some((partition.id.index, failure)),
                _ => None,
            });
            let Some((index, failure)) = failed else { continue };
            if self.failing.contains_key(topic) {
                continue;
            }
            let (store, mirror) = (self.shared.store.clone(), work.mirror.clone());
            let task = self.tasks.spawn(async move { record::fail(&store, &mirror, index, failure).await });
            let _ = self.failing.insert(topic.clone(), task);
        }
    }

    /// Asks for metadata again while a partition has no leader: new topics get theirs a moment after they are created.
    pub(super) fn look_for_leaders(&self) {
        let partitions = || self.topics.values().flat_map(|work| work.partitions.iter());
        if partitions().any(|partition| partition.destination_leader() < 0) {
            self.refresh_destination.notify_one();
        }
        if partitions().any(|partition| partition.source_leader().0 < 0) {
            self.refresh_source.notify_one();
        }
    }
}
