//! Notices topics that are gone or replaced, limits that are too low, failures and missing leaders.

use state::model::{KafkaUuid, MirrorTopic, StopKind, View};

use tracing::{debug, warn};

use crate::client::{Cluster, ClusterMetadata};
use crate::mirror::clusters::{self, NotTheSource};
use crate::mirror::engine::link_runner::LinkRunner;
use crate::mirror::engine::running_mirror::IdentityVerdict;
use crate::mirror::journal;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::Phase;

/// Returns true if all source brokers that answer say that the mirrored topic is gone, is another one or has
/// fewer partitions.
async fn is_another_or_gone(source: &Cluster, mirror: &MirrorTopic) -> bool {
    match clusters::fresh_topic(source, mirror).await {
        Ok(found) => found.partitions.len() < mirror.partitions as usize,
        Err(NotTheSource::Missing(_) | NotTheSource::Other { .. }) => true,
        Err(error @ (NotTheSource::Unanswered(_) | NotTheSource::Disputed { .. })) => {
            debug!(link = mirror.link, topic = mirror.topic, %error, "the source topic seems to be gone, but the brokers do not confirm it");
            false
        }
    }
}

/// Returns true if a promote of this mirror has begun to fence. Then its source no longer decides what
/// becomes of it.
pub(crate) fn is_closed(view: &View, mirror: &MirrorTopic) -> bool {
    let now = view.mirrors.get(&mirror.topic).filter(|now| now.generation == mirror.generation);
    now.is_some_and(MirrorTopic::is_closed)
}

impl LinkRunner {
    pub(crate) fn check_source_identity(&mut self, source: &ClusterMetadata) {
        let mut gone = Vec::new();
        let view = self.shared.store.view();
        for (topic, work) in &mut self.topics {
            // A failover asks nothing of the source. After the fence, a promote asks only what it can do
            // without.
            let is_failover = self.stops.get(topic).is_some_and(|(stop, _)| *stop == StopKind::Failover);
            if is_failover || is_closed(&view, &work.mirror) {
                continue;
            }
            match work.source.source(&work.mirror, source.topic(&work.mirror.source_topic)) {
                IdentityVerdict::Gone(error, reason) => {
                    gone.push((topic.clone(), PartitionFailure { error, reason }))
                }
                IdentityVerdict::Wrong => self.refresh_source.notify_one(),
                IdentityVerdict::Same => {}
            }
        }
        self.grow(source);
        self.doubting.retain(|_, task| !task.is_finished());
        for (topic, failure) in gone {
            let Some(work) = self.topics.get(&topic).filter(|_| !self.doubting.contains_key(&topic)) else {
                continue;
            };
            // A failed mirror stays failed, so the answers of single brokers are not enough: all are asked.
            let (source, mirror, partitions) =
                (self.source.clone(), work.mirror.clone(), work.partitions.clone());
            let task = self.tasks.spawn(async move {
                if is_another_or_gone(&source, &mirror).await {
                    partitions.iter().for_each(|partition| partition.fail_with_its_mirror(failure.clone()));
                }
            });
            let _ = self.doubting.insert(topic, task);
        }
    }

    /// Drops each mirror whose destination topic was deleted, whatever state the mirror is in.
    pub(crate) fn check_destination_identity(&mut self, destination: &ClusterMetadata) {
        let view = self.shared.store.view();
        let mut gone = Vec::new();
        let there =
            view.mirrors_of(&self.link.name).filter(|mirror| mirror.local_topic_id != KafkaUuid::ZERO);
        for mirror in there {
            // The metadata may be older than the request for the topic.
            if !self.destination_topics.borrow().contains(&mirror.topic) {
                continue;
            }
            let seen = self.destinations.entry((mirror.topic.clone(), mirror.generation)).or_default();
            match seen.destination(mirror, destination.topic(&mirror.topic)) {
                IdentityVerdict::Gone(..) => gone.push(mirror.clone()),
                IdentityVerdict::Wrong => self.refresh_destination.notify_one(),
                IdentityVerdict::Same => {}
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
                if let Err(error) = journal::forget_if_gone(&store, &destination, &mirror).await {
                    warn!(link = mirror.link, topic = mirror.topic, %error, "the removal of a mirror topic could not be recorded");
                }
            });
            let _ = self.forgetting.insert(topic, task);
        }
    }

    /// Raises `max.message.bytes` of topics whose batches the destination refused as too large.
    pub(crate) fn raise_size_limits(&mut self) {
        for work in self.topics.values() {
            let Some(size) = work.partitions.iter().filter_map(|partition| partition.take_too_large()).max()
            else {
                continue;
            };
            let (destination, topic) = (self.shared.destination.clone(), work.mirror.topic.clone());
            let _ = self
                .tasks
                .spawn(async move { journal::raise_max_message_bytes(&destination, &topic, size).await });
        }
    }

    /// Journals the first failed partition of each topic.
    pub(crate) fn record_failures(&mut self) {
        self.failing.retain(|_, task| !task.is_finished());
        let view = self.shared.store.view();
        // A closed mirror gets its fences, whatever was found before.
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
            let task = self.tasks.spawn(async move { journal::fail(&store, &mirror, index, failure).await });
            let _ = self.failing.insert(topic.clone(), task);
        }
    }

    /// Requests metadata again while a partition has no leader: a new topic gets its leaders a moment after
    /// its creation.
    pub(crate) fn look_for_leaders(&self) {
        let partitions = || self.topics.values().flat_map(|work| work.partitions.iter());
        if partitions().any(|partition| partition.destination_leader() < 0) {
            self.refresh_destination.notify_one();
        }
        if partitions().any(|partition| partition.source_leader().0 < 0) {
            self.refresh_source.notify_one();
        }
    }
}
