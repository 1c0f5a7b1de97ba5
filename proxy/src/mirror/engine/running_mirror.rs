//! One mirror topic that the engine works on: its partitions, and what the engine must do with it.

use crate::mirror::topic_ids::differs;
use std::sync::Arc;
use std::time::Duration;

use state::model::{KafkaUuid, Link, LinkState, MirrorError, MirrorState, MirrorTopic, StopKind};
use tokio::time::Instant;

use crate::client::TopicMetadata;
use crate::mirror::progress::{PartitionProgress, ProgressTable};
use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::replication::partition::{Partition, PartitionIdentity, Wakes};
use crate::wire::protocol::error_code::ErrorCode;

/// Time for which a source topic must be missing or replaced before the mirror fails. A broker that just
/// started, or is cut off from the controller, has little or old metadata.
const SOURCE_CONFIRMATION: Duration = Duration::from_secs(8);
/// Time for which a destination topic must be missing or replaced before it counts as deleted, which ends the
/// mirror.
const DESTINATION_CONFIRMATION: Duration = Duration::from_secs(4);

/// Action of the engine for a mirror topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DesiredAction {
    /// Create the destination topic.
    Create,
    /// Fetch and append.
    Mirror,
    /// Do nothing for now.
    Hold,
    /// Promote or fail over.
    Stop(StopKind),
    /// Do nothing: the mirror has ended or failed.
    Nothing,
}

/// Returns what the engine must do with a mirror topic in this state.
#[must_use]
pub(crate) fn desired_action(mirror: &MirrorTopic, link: LinkState) -> DesiredAction {
    match (&mirror.state, link) {
        (MirrorState::PendingStopped { stop: StopKind::Promote }, _)
            if mirror.local_topic_id == KafkaUuid::ZERO =>
        {
            DesiredAction::Create
        }
        // A promote asks the source, and an operator who paused the link does not want that. A failover does
        // not ask.
        (MirrorState::PendingStopped { stop: StopKind::Promote }, LinkState::Paused) => DesiredAction::Hold,
        (MirrorState::PendingStopped { stop }, _) => DesiredAction::Stop(*stop),
        (MirrorState::Stopped { .. } | MirrorState::Failed { .. }, _) => DesiredAction::Nothing,
        // It may have been paused before it was created.
        _ if mirror.local_topic_id == KafkaUuid::ZERO => DesiredAction::Create,
        (MirrorState::Paused, _) | (_, LinkState::Paused | LinkState::Failed) => DesiredAction::Hold,
        (MirrorState::PendingMirror, _) => DesiredAction::Create,
        (MirrorState::Active, LinkState::Active | LinkState::Unavailable) => DesiredAction::Mirror,
    }
}

/// Judgement of a topic's identity by metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentityVerdict {
    /// It is the expected topic, or cannot be judged.
    Same,
    /// It is missing or another topic, for now.
    Wrong,
    /// It has been wrong for long enough to believe it. With the error and a text for operators.
    Gone(MirrorError, String),
}

/// Judge of a topic's identity over several metadata answers.
#[derive(Debug, Default)]
pub(crate) struct TopicIdentityCheck {
    wrong_since: Option<Instant>,
}

impl TopicIdentityCheck {
    /// Judges the source topic of a mirror by fresh metadata.
    pub(crate) fn source(
        &mut self,
        mirror: &MirrorTopic,
        metadata: Option<&TopicMetadata>,
    ) -> IdentityVerdict {
        let topic = &mirror.source_topic;
        let wrong = match present(metadata) {
            None => Some((
                MirrorError::SourceTopicMayBeDeleted,
                format!("the source has no topic '{topic}' any more"),
            )),
            Some(found) if differs(found.id, mirror.source_topic_id) => Some((
                MirrorError::SourceTopicIdChanged,
                format!(
                    "the source topic '{topic}' was deleted and created again: its id is {}, the mirror was \
                     made from {}",
                    found.id, mirror.source_topic_id
                ),
            )),
            Some(found)
                if found.error_code.is_none() && found.partitions.len() < mirror.partitions as usize =>
            {
                Some((
                    MirrorError::SourcePartitionsDecreased,
                    format!(
                        "the partition count of the source topic '{topic}' is {}, that of the mirror is {}",
                        found.partitions.len(),
                        mirror.partitions
                    ),
                ))
            }
            Some(_) => None,
        };
        self.judge(wrong, SOURCE_CONFIRMATION)
    }

    /// Judges the destination topic of a mirror by fresh metadata.
    pub(crate) fn destination(
        &mut self,
        mirror: &MirrorTopic,
        metadata: Option<&TopicMetadata>,
    ) -> IdentityVerdict {
        let same = present(metadata).is_some_and(|found| mirror.is_local_topic(found.id));
        let wrong = (!same).then(|| {
            (MirrorError::IllegalState, format!("the destination topic '{}' was deleted", mirror.topic))
        });
        self.judge(wrong, DESTINATION_CONFIRMATION)
    }

    fn judge(&mut self, wrong: Option<(MirrorError, String)>, patience: Duration) -> IdentityVerdict {
        let Some((error, reason)) = wrong else {
            self.wrong_since = None;
            return IdentityVerdict::Same;
        };
        let since = *self.wrong_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= patience {
            IdentityVerdict::Gone(error, reason)
        } else {
            IdentityVerdict::Wrong
        }
    }
}

fn present(metadata: Option<&TopicMetadata>) -> Option<&TopicMetadata> {
    metadata.filter(|topic| topic.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// A mirror topic that the engine works on.
#[derive(Debug)]
pub(crate) struct RunningMirror {
    /// The mirror as the journal had it when work began. Its state may have changed since.
    pub mirror: MirrorTopic,
    /// Partitions, in partition order.
    pub partitions: Vec<Arc<Partition>>,
    /// Judge of the source topic's identity.
    pub source: TopicIdentityCheck,
}

impl RunningMirror {
    /// Creates the partitions of a mirror topic. Their append positions are not known yet.
    #[must_use]
    pub(crate) fn new(
        mirror: &MirrorTopic,
        link: &Link,
        progress: &ProgressTable,
        window_bytes: usize,
        budget: &Arc<ByteBudget>,
        wakes: &Wakes,
    ) -> Self {
        let cells = progress.topic(&mirror.topic, mirror.partitions);
        let partitions = cells.into_iter().zip(0..).map(|(cell, index)| {
            let id = PartitionIdentity {
                topic: mirror.topic.clone(),
                local_topic_id: mirror.local_topic_id,
                source_topic: mirror.source_topic.clone(),
                source_topic_id: mirror.source_topic_id,
                index,
                producer_id: mirror.producer_id(link),
                start_offset: mirror.start_offset(index),
            };
            // Positions of an earlier generation of the name say nothing about this one.
            cell.update(PartitionProgress::forget_positions);
            let partition = Partition::new(id, cell, window_bytes, Arc::clone(budget), wakes.clone());
            if mirror.is_closed() {
                partition.close();
            }
            Arc::new(partition)
        });
        RunningMirror {
            mirror: mirror.clone(),
            partitions: partitions.collect(),
            source: TopicIdentityCheck::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::test_support::mirror;

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
    async fn a_topic_counts_as_gone_only_after_a_time_limit() {
        let mirror = mirror("dr", "users", MirrorState::Active);
        let other = metadata(KafkaUuid::random(), 2);
        let own = metadata(mirror.source_topic_id, 2);
        let mut source = TopicIdentityCheck::default();
        assert_eq!(source.source(&mirror, Some(&own)), IdentityVerdict::Same);
        assert_eq!(source.source(&mirror, Some(&other)), IdentityVerdict::Wrong);
        tokio::time::advance(SOURCE_CONFIRMATION / 2).await;
        assert_eq!(source.source(&mirror, None), IdentityVerdict::Wrong);
        // After one right answer the time begins again
        assert_eq!(source.source(&mirror, Some(&own)), IdentityVerdict::Same);
        tokio::time::advance(SOURCE_CONFIRMATION).await;
        assert_eq!(source.source(&mirror, Some(&other)), IdentityVerdict::Wrong);
        tokio::time::advance(SOURCE_CONFIRMATION).await;
        let gone = source.source(&mirror, Some(&other));
        assert!(matches!(gone, IdentityVerdict::Gone(MirrorError::SourceTopicIdChanged, _)), "{gone:?}");
        let fewer = source.source(&mirror, Some(&metadata(mirror.source_topic_id, 1)));
        assert!(
            matches!(fewer, IdentityVerdict::Gone(MirrorError::SourcePartitionsDecreased, _)),
            "{fewer:?}"
        );
    }

    #[test]
    fn a_paused_link_holds_a_promote_but_not_a_failover() {
        let promoted = mirror("dr", "users", MirrorState::PendingStopped { stop: StopKind::Promote });
        assert_eq!(desired_action(&promoted, LinkState::Paused), DesiredAction::Hold);
        assert_eq!(desired_action(&promoted, LinkState::Active), DesiredAction::Stop(StopKind::Promote));
        assert_eq!(desired_action(&promoted, LinkState::Unavailable), DesiredAction::Stop(StopKind::Promote));
        let failed_over = mirror("dr", "users", MirrorState::PendingStopped { stop: StopKind::Failover });
        assert_eq!(desired_action(&failed_over, LinkState::Paused), DesiredAction::Stop(StopKind::Failover));
    }

    #[test]
    fn a_missing_destination_topic_is_created_first_except_for_a_failover() {
        let mut mirror = mirror("dr", "users", MirrorState::Active);
        assert_eq!(desired_action(&mirror, LinkState::Active), DesiredAction::Mirror);
        assert_eq!(desired_action(&mirror, LinkState::Paused), DesiredAction::Hold);
        mirror.local_topic_id = KafkaUuid::ZERO;
        assert_eq!(desired_action(&mirror, LinkState::Active), DesiredAction::Create);
        mirror.state = MirrorState::PendingStopped { stop: StopKind::Promote };
        assert_eq!(desired_action(&mirror, LinkState::Active), DesiredAction::Create);
        assert_eq!(desired_action(&mirror, LinkState::Paused), DesiredAction::Create);
        mirror.state = MirrorState::PendingStopped { stop: StopKind::Failover };
        assert_eq!(desired_action(&mirror, LinkState::Unavailable), DesiredAction::Stop(StopKind::Failover));
    }
}
