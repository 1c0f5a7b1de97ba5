//! One mirror topic at work: its partitions, and what is wanted of it just now.

use std::sync::Arc;
use std::time::Duration;

use state::model::{KafkaUuid, Link, LinkState, MirrorError, MirrorState, MirrorTopic, Stop};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::ByteBudget;
use super::partition::{Identity, Partition};
use super::progress::{PartitionProgress, ProgressTable};
use crate::client::{Cluster, TopicMetadata};
use crate::wire::error_code::ErrorCode;

/// A source topic must be missing, or another one, for this long before the mirror fails: a broker that just started, or
/// is cut off from the controller, knows little or old things.
const SOURCE_WRONG_FOR: Duration = Duration::from_secs(8);
/// The same for a destination topic, whose deletion ends the mirror.
const DESTINATION_WRONG_FOR: Duration = Duration::from_secs(4);

/// What the engine does with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Create the destination topic.
    Create,
    /// Fetch and append.
    Mirror,
    /// Keep still.
    Hold,
    /// End it.
    Stop(Stop),
    /// Nothing: it has ended or failed.
    Nothing,
}

/// What is wanted of a mirror topic in this state.
#[must_use]
pub fn wanted(mirror: &MirrorTopic, link: LinkState) -> Wanted {
    match (&mirror.state, link) {
        (MirrorState::PendingStopped { stop: Stop::Promote }, _)
            if mirror.local_topic_id == KafkaUuid::ZERO =>
        {
            Wanted::Create
        }
        // A promote asks the source, and who paused the link wants nobody to. A failover does not.
        (MirrorState::PendingStopped { stop: Stop::Promote }, LinkState::Paused) => Wanted::Hold,
        (MirrorState::PendingStopped { stop }, _) => Wanted::Stop(*stop),
        (MirrorState::Stopped { .. } | MirrorState::Failed { .. }, _) => Wanted::Nothing,
        // It may have been paused before it was created.
        _ if mirror.local_topic_id == KafkaUuid::ZERO => Wanted::Create,
        (MirrorState::Paused, _) | (_, LinkState::Paused | LinkState::Failed) => Wanted::Hold,
        (MirrorState::PendingMirror, _) => Wanted::Create,
        (MirrorState::Active, LinkState::Active | LinkState::Unavailable) => Wanted::Mirror,
    }
}

/// What metadata says of a topic's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is the topic that it should be, or cannot be judged.
    Same,
    /// It is missing or another one, for now.
    Wrong,
    /// It has been so for long enough to believe it; for people.
    Gone(MirrorError, String),
}

/// Judges by one metadata answer after the other whether a topic is still the one that it was.
#[derive(Debug, Default)]
pub struct Identification {
    wrong_since: Option<Instant>,
}

impl Identification {
    /// Judges the source topic of a mirror by fresh metadata.
    pub fn source(&mut self, mirror: &MirrorTopic, metadata: Option<&TopicMetadata>) -> Found {
        let topic = &mirror.source_topic;
        let wrong = match present(metadata) {
            None => Some((
                MirrorError::SourceTopicMayBeDeleted,
                format!("the source has no topic '{topic}' any more"),
            )),
            Some(found) if differs(found.id, mirror.source_topic_id) => Some((
                MirrorError::SourceTopicIdChanged,
                format!(
                    "the source topic '{topic}' was deleted and created anew: its id is {}, the mirror is of {}",
                    found.id, mirror.source_topic_id
                ),
            )),
            Some(found)
                if found.error_code.is_none() && found.partitions.len() < mirror.partitions as usize =>
            {
                Some((
                    MirrorError::SourcePartitionsDecreased,
                    format!(
                        "the source topic '{topic}' has {} partitions, the mirror {}",
                        found.partitions.len(),
                        mirror.partitions
                    ),
                ))
            }
            Some(_) => None,
        };
        self.judge(wrong, SOURCE_WRONG_FOR)
    }

    /// Judges the destination topic of a mirror by fresh metadata.
    pub fn destination(&mut self, mirror: &MirrorTopic, metadata: Option<&TopicMetadata>) -> Found {
        let same = present(metadata).is_some_and(|found| mirror.is_local_topic(found.id));
        let wrong = (!same).then(|| {
            (MirrorError::IllegalState, format!("the destination topic '{}' was deleted", mirror.topic))
        });
        self.judge(wrong, DESTINATION_WRONG_FOR)
    }

    fn judge(&mut self, wrong: Option<(MirrorError, String)>, patience: Duration) -> Found {
        let Some((error, reason)) = wrong else {
            self.wrong_since = None;
            return Found::Same;
        };
        let since = *self.wrong_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= patience { Found::Gone(error, reason) } else { Found::Wrong }
    }
}

/// Whether the topics of the mirror's names are still the mirror's, as far as the clusters' last metadata tells: what
/// goes by name (group offsets, configs) is not to follow another topic, or change one. A topic that metadata does not
/// name is not judged.
#[must_use]
pub fn are_its_topics(mirror: &MirrorTopic, source: &Cluster, destination: &Cluster) -> bool {
    is_same(source, &mirror.source_topic, mirror.source_topic_id) && is_on(mirror, destination)
}

/// The same of its destination topic alone.
#[must_use]
pub fn is_on(mirror: &MirrorTopic, destination: &Cluster) -> bool {
    is_same(destination, &mirror.topic, mirror.local_topic_id)
}

fn is_same(cluster: &Cluster, topic: &str, recorded: KafkaUuid) -> bool {
    let found = cluster.cached().and_then(|known| Some(known.topic(topic)?.id));
    found.is_none_or(|found| !differs(found, recorded))
}

/// Whether these are ids of two topics. Zero, on either side, is an id that is not told.
pub(super) fn differs(found: KafkaUuid, recorded: KafkaUuid) -> bool {
    found != KafkaUuid::ZERO && recorded != KafkaUuid::ZERO && found != recorded
}

fn present(metadata: Option<&TopicMetadata>) -> Option<&TopicMetadata> {
    metadata.filter(|topic| topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// A mirror topic that the engine works on.
#[derive(Debug)]
pub struct TopicAtWork {
    /// As the journal had it when work began; its state may have moved on.
    pub mirror: MirrorTopic,
    /// In partition order.
    pub partitions: Vec<Arc<Partition>>,
    /// Whether the source topic is still the one it was.
    pub source: Identification,
}

impl TopicAtWork {
    /// Partitions with registers unread.
    #[must_use]
    pub fn new(
        mirror: &MirrorTopic,
        link: &Link,
        progress: &ProgressTable,
        window_bytes: usize,
        budget: &Arc<ByteBudget>,
        attention: &Arc<Notify>,
    ) -> Self {
        let cells = progress.topic(&mirror.topic, mirror.partitions);
        let partitions = cells.into_iter().zip(0..).map(|(cell, index)| {
            let id = Identity {
                topic: mirror.topic.clone(),
                local_topic_id: mirror.local_topic_id,
                source_topic: mirror.source_topic.clone(),
                source_topic_id: mirror.source_topic_id,
                index,
                producer_id: mirror.producer_id(link),
                start_offset: mirror.start_offset(index),
            };
            // What an earlier generation of the name had reached says nothing of this one.
            cell.update(PartitionProgress::forget_positions);
            let partition = Partition::new(id, cell, window_bytes, Arc::clone(budget), Arc::clone(attention));
            if mirror.is_closed() {
                partition.close();
            }
            Arc::new(partition)
        });
        TopicAtWork {
            mirror: mirror.clone(),
            partitions: partitions.collect(),
            source: Identification::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::sample::mirror;

    fn metadata(id: KafkaUuid, partitions: usize) -> TopicMetadata {
        let partition = |index| crate::client::PartitionMetadata {
            index,
            leader: 1,
            leader_epoch: 0,
            replicas: vec![1],
            isr: vec![1],
            error_code: ErrorCode::NONE,
        };
        TopicMetadata {
            id,
            error_code: ErrorCode::NONE,
            internal: false,
            partitions: (0..i32::try_from(partitions).unwrap()).map(partition).collect(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_gone_only_after_being_wrong_for_long() {
        let mirror = mirror("dr", "users", MirrorState::Active);
        let other = metadata(KafkaUuid::random(), 2);
        let own = metadata(mirror.source_topic_id, 2);
        let mut source = Identification::default();
        assert_eq!(source.source(&mirror, Some(&own)), Found::Same);
        assert_eq!(source.source(&mirror, Some(&other)), Found::Wrong);
        tokio::time::advance(SOURCE_WRONG_FOR / 2).await;
        assert_eq!(source.source(&mirror, None), Found::Wrong);
        // One right answer and patience begins anew
        assert_eq!(source.source(&mirror, Some(&own)), Found::Same);
        tokio::time::advance(SOURCE_WRONG_FOR).await;
        assert_eq!(source.source(&mirror, Some(&other)), Found::Wrong);
        tokio::time::advance(SOURCE_WRONG_FOR).await;
        let gone = source.source(&mirror, Some(&other));
        assert!(matches!(gone, Found::Gone(MirrorError::SourceTopicIdChanged, _)), "{gone:?}");
        let fewer = source.source(&mirror, Some(&metadata(mirror.source_topic_id, 1)));
        assert!(matches!(fewer, Found::Gone(MirrorError::SourcePartitionsDecreased, _)), "{fewer:?}");
    }

    #[test]
    fn a_paused_link_holds_a_promote_and_no_failover() {
        let promoted = mirror("dr", "users", MirrorState::PendingStopped { stop: Stop::Promote });
        assert_eq!(wanted(&promoted, LinkState::Paused), Wanted::Hold);
        assert_eq!(wanted(&promoted, LinkState::Active), Wanted::Stop(Stop::Promote));
        assert_eq!(wanted(&promoted, LinkState::Unavailable), Wanted::Stop(Stop::Promote));
        let failed_over = mirror("dr", "users", MirrorState::PendingStopped { stop: Stop::Failover });
        assert_eq!(wanted(&failed_over, LinkState::Paused), Wanted::Stop(Stop::Failover));
    }

    #[test]
    fn what_never_came_to_be_is_created_first() {
        let mut mirror = mirror("dr", "users", MirrorState::Active);
        assert_eq!(wanted(&mirror, LinkState::Active), Wanted::Mirror);
        assert_eq!(wanted(&mirror, LinkState::Paused), Wanted::Hold);
        mirror.local_topic_id = KafkaUuid::ZERO;
        assert_eq!(wanted(&mirror, LinkState::Active), Wanted::Create);
        mirror.state = MirrorState::PendingStopped { stop: Stop::Promote };
        assert_eq!(wanted(&mirror, LinkState::Active), Wanted::Create);
        assert_eq!(wanted(&mirror, LinkState::Paused), Wanted::Create);
        mirror.state = MirrorState::PendingStopped { stop: Stop::Failover };
        assert_eq!(wanted(&mirror, LinkState::Unavailable), Wanted::Stop(Stop::Failover));
    }
}
