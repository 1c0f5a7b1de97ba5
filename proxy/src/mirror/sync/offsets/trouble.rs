//! Trouble with group offsets: which group, which topic, and whether it may pass by itself.

use std::collections::BTreeMap;

use crate::client::ClientError;
use crate::mirror::clusters::NotTheSource;
use crate::mirror::sync::offsets::plan::TopicPartition;
use crate::mirror::sync::task_status::{RoundError, TaskErrorCode};

/// A reason why offsets of one group are not synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTrouble {
    /// Name of the group on the cluster that has the trouble. Empty if the trouble concerns all groups.
    pub group: String,
    /// The affected mirror topic. `None` means all topics of the round.
    pub topic: Option<String>,
    /// Description of the trouble.
    pub error: RoundError,
    /// True if it may pass by itself.
    pub passes: bool,
}

impl GroupTrouble {
    pub(crate) fn of(group: &str, topic: Option<String>, what: &str, error: &ClientError) -> Self {
        let passes = error.retriable();
        GroupTrouble { group: group.to_owned(), topic, error: RoundError::of(what, error), passes }
    }

    pub(crate) fn unread(group: &str, error: &ClientError) -> Self {
        GroupTrouble::of(group, None, &format!("offsets of group '{group}' cannot be read"), error)
    }

    /// Returns one trouble for each topic in which the group's positions could not be read. `named` returns
    /// the mirror topic of a topic.
    pub(crate) fn untold<'a>(
        group: &str,
        refused: &'a BTreeMap<TopicPartition, ClientError>,
        named: impl Fn(&'a str) -> Option<String>,
    ) -> Vec<Self> {
        let mut troubles: Vec<_> = refused
            .iter()
            .map(|((topic, _), error)| {
                let what = format!("offsets of group '{group}' in topic '{topic}' cannot be read");
                GroupTrouble::of(group, named(topic), &what, error)
            })
            .collect();
        troubles.dedup_by(|a, b| a.topic == b.topic);
        troubles
    }

    /// Returns the trouble of a mirror whose source topic is gone, or is not the one that was mirrored.
    pub(crate) fn lost(topic: &str, why: &NotTheSource) -> Self {
        let message = format!("the offsets of groups in topic '{topic}' were not synced a last time: {why}");
        GroupTrouble {
            group: String::new(),
            topic: Some(topic.to_owned()),
            error: RoundError::new(TaskErrorCode::UnknownTopicOrPartition, message),
            // A broker that just started may not know the topic yet. A topic with another id will not go
            // away.
            passes: !matches!(why, NotTheSource::Other { .. }),
        }
    }

    /// Returns the trouble of a group whose position lies beyond the end of a mirror, in a topic that clients
    /// may write to already.
    pub(crate) fn beyond(group: &str, at: &TopicPartition, stands_at: i64, bound: i64) -> Self {
        let (topic, partition) = at;
        let message = format!(
            "group '{group}' is at offset {stands_at} of {topic}-{partition}, but the mirror ended at \
             {bound}: unless it has consumed here since the topic was opened, set it back to {bound}; \
             otherwise it skips what was written in between"
        );
        GroupTrouble {
            group: group.to_owned(),
            topic: Some(topic.clone()),
            error: RoundError::new(TaskErrorCode::Internal, message),
            passes: false,
        }
    }

    /// Returns the trouble of all groups with partitions of a topic whose bound is short of their ends.
    pub(crate) fn bound(topic: &str, passes: bool, message: String) -> Self {
        let error = RoundError::new(TaskErrorCode::Internal, message);
        GroupTrouble { group: String::new(), topic: Some(topic.to_owned()), error, passes }
    }

    /// Returns the trouble of all groups with partitions of a topic whose high watermarks cannot be read.
    pub(crate) fn unbounded(topic: &str, passes: bool, what: &str, error: &ClientError) -> Self {
        let what = format!("{what} are not synced: its high watermark cannot be read");
        GroupTrouble { passes, ..GroupTrouble::of("", Some(topic.to_owned()), &what, error) }
    }

    pub(crate) fn in_use(group: &str) -> Self {
        let message = format!(
            "Consumer group '{group}' has active members on the destination; its offsets are not synced."
        );
        let error = RoundError::new(TaskErrorCode::ConsumerGroupInUse, message);
        GroupTrouble { group: group.to_owned(), topic: None, error, passes: false }
    }
}
