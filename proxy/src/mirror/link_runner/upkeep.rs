//! What the runner notices besides its decisions: topics that are gone or are others, and limits that are too low.

use state::model::{KafkaUuid, MirrorTopic, Stop};

use tracing::{debug, warn};

use super::LinkRunner;
use crate::client::{Cluster, ClusterMetadata};
use crate::mirror::partition::Failure;
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

impl LinkRunner {
    pub(super) fn judge_sources(&mut self, source: &ClusterMetadata) {
        let mut gone = Vec::new();
        for (topic, work) in &mut self.topics {
            // A failover asks nothing of the source.
            if self.stops.get(topic).is_some_and(|(stop, _)| *stop == Stop::Failover) {
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
}
