//! What stands against group offsets: which group, which topic, and whether it may pass.

use std::collections::BTreeMap;

use super::offset_plan::TopicPartition;
use super::source_clusters::NotTheSource;
use super::task_status::{TaskError, TaskErrorCode};
use crate::client::ClientError;

/// What stands against the offsets of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTrouble {
    /// The group, as it is called where the trouble is; empty when it concerns all groups.
    pub group: String,
    /// The mirror topic concerned; all of the round when absent.
    pub topic: Option<String>,
    /// What happened.
    pub error: TaskError,
    /// It may pass by itself.
    pub passes: bool,
}

impl GroupTrouble {
    pub(super) fn of(group: &str, topic: Option<String>, what: &str, error: &ClientError) -> Self {
        let passes = error.retriable();
        GroupTrouble { group: group.to_owned(), topic, error: TaskError::of(what, error), passes }
    }

    pub(super) fn unread(group: &str, error: &ClientError) -> Self {
        GroupTrouble::of(group, None, &format!("offsets of group '{group}' cannot be read"), error)
    }

    /// Topics of which the group's positions could not be read, each once, as `named` calls them.
    pub(super) fn untold<'a>(
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

    /// The source topic of a mirror is not there as it was mirrored.
    pub(super) fn lost(topic: &str, why: &NotTheSource) -> Self {
        let message = format!("the offsets of groups in topic '{topic}' were not synced a last time: {why}");
        GroupTrouble {
            group: String::new(),
            topic: Some(topic.to_owned()),
            error: TaskError::new(TaskErrorCode::UnknownTopicOrPartition, message),
            // A broker that just started may not know it yet; another topic of its name will not go away.
            passes: !matches!(why, NotTheSource::Other { .. }),
        }
    }

    /// A group stands beyond the end of a mirror, in a topic that clients write to already.
    pub(super) fn beyond(group: &str, at: &TopicPartition, stands_at: i64, bound: i64) -> Self {
        let (topic, partition) = at;
        let message = format!(
            "group '{group}' stands at offset {stands_at} of {topic}-{partition}, the mirror ended at {bound}: unless it has consumed here \
             since the topic was opened, set it back to {bound}, or it skips what was written in between"
        );
        GroupTrouble {
            group: group.to_owned(),
            topic: Some(topic.clone()),
            error: TaskError::new(TaskErrorCode::Internal, message),
            passes: false,
        }
    }

    pub(super) fn in_use(group: &str) -> Self {
        let message = format!(
            "Consumer group '{group}' has active members on the destination; its offsets are not synced."
        );
        let error = TaskError::new(TaskErrorCode::ConsumerGroupInUse, message);
        GroupTrouble { group: group.to_owned(), topic: None, error, passes: false }
    }
}
