//! One mirror topic at work: its partitions, and what is wanted of it just now.

use std::sync::Arc;
use std::time::Duration;

use state::model::{KafkaUuid, Link, LinkState, MirrorError, MirrorState, MirrorTopic, Stop};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::ByteBudget;
use super::partition::{Failure, Identity, Partition};
use super::progress::ProgressTable;
use crate::client::TopicMetadata;
use crate::wire::error_code::ErrorCode;

/// A source topic must be missing for this long before the mirror fails: brokers that just started know little.
const SOURCE_MISSING_FOR: Duration = Duration::from_secs(8);
/// The same for a destination topic, whose deletion ends the mirror.
const DESTINATION_MISSING_FOR: Duration = Duration::from_secs(4);

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
    /// It is missing, for now.
    Missing,
    /// The mirror cannot go on.
    Failed(Failure),
    /// The destination topic was deleted, and the mirror with it.
    Deleted,
}

/// A mirror topic that the engine works on.
#[derive(Debug)]
pub struct TopicAtWork {
    /// As the journal had it when work began; its state may have moved on.
    pub mirror: MirrorTopic,
    /// In partition order.
    pub partitions: Vec<Arc<Partition>>,
    source_missing: Option<Instant>,
    destination_missing: Option<Instant>,
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
                source_topic: mirror.source_topic.clone(),
                source_topic_id: mirror.source_topic_id,
                index,
                producer_id: mirror.producer_id(link),
            };
            cell.update(|progress| progress.failed = false);
            Arc::new(Partition::new(id, cell, window_bytes, Arc::clone(budget), Arc::clone(attention)))
        });
        TopicAtWork {
            mirror: mirror.clone(),
            partitions: partitions.collect(),
            source_missing: None,
            destination_missing: None,
        }
    }

    /// Judges the source topic by fresh metadata.
    pub fn judge_source(&mut self, metadata: Option<&TopicMetadata>) -> Found {
        let Some(topic) = present(metadata) else {
            return missing(&mut self.source_missing, SOURCE_MISSING_FOR, || {
                Found::Failed(Failure {
                    error: MirrorError::SourceTopicMayBeDeleted,
                    reason: format!("the source has no topic '{}' any more", self.mirror.source_topic),
                })
            });
        };
        self.source_missing = None;
        let recorded = self.mirror.source_topic_id;
        if recorded != KafkaUuid::ZERO && topic.id != KafkaUuid::ZERO && topic.id != recorded {
            return Found::Failed(Failure {
                error: MirrorError::SourceTopicIdChanged,
                reason: format!(
                    "the source topic '{}' was deleted and created anew: its id is {}, the mirror is of {recorded}",
                    self.mirror.source_topic, topic.id
                ),
            });
        }
        let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        if topic.error_code.is_none() && count < self.mirror.partitions {
            return Found::Failed(Failure {
                error: MirrorError::SourcePartitionsDecreased,
                reason: format!(
                    "the source topic '{}' has {count} partitions, the mirror {}",
                    self.mirror.source_topic, self.mirror.partitions
                ),
            });
        }
        Found::Same
    }

    /// Judges the destination topic by fresh metadata.
    pub fn judge_destination(&mut self, metadata: Option<&TopicMetadata>) -> Found {
        let Some(topic) = present(metadata) else {
            return missing(&mut self.destination_missing, DESTINATION_MISSING_FOR, || Found::Deleted);
        };
        self.destination_missing = None;
        let recorded = self.mirror.local_topic_id;
        if recorded != KafkaUuid::ZERO && topic.id != KafkaUuid::ZERO && topic.id != recorded {
            return Found::Deleted;
        }
        Found::Same
    }
}

fn present(metadata: Option<&TopicMetadata>) -> Option<&TopicMetadata> {
    metadata.filter(|topic| topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn missing(since: &mut Option<Instant>, patience: Duration, then: impl FnOnce() -> Found) -> Found {
    let since = *since.get_or_insert_with(Instant::now);
    if since.elapsed() >= patience { then() } else { Found::Missing }
}
