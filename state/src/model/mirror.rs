//! A mirror topic and its state machine.
//!
//! ```text
//! PendingMirror ──► Active ⇄ Paused
//!       │             │        │
//!       ├─────────────┴────────┤ promote            failover (from anywhere but Stopped)
//!       ▼                      ▼                             │
//!     Failed ◄────── PendingStopped(Promote) ──► PendingStopped(Failover)
//!       │                      │                             │
//!       │ failover             └──────────► Stopped ◄────────┘
//!       └──────────────────────────────────────────┘ (through PendingStopped)
//! ```
//!
//! `LINK_PAUSED`, `LINK_FAILED` and `SOURCE_UNAVAILABLE` are not separate states: [`MirrorTopic::status`]
//! derives them from the link, so that they cannot disagree with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::{Fencing, KafkaUuid, Link, LinkState};

/// Kind of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StopKind {
    /// Catch up with the source, sync a last time, then open the topic.
    Promote,
    /// Open the topic at once with what it has. The source may be gone.
    Failover,
}

/// Reason why a mirror failed, `mirror_topic_error` of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum MirrorError {
    /// No error.
    NoError,
    /// The source no longer knows the topic.
    SourceTopicMayBeDeleted,
    /// The source topic was deleted and created again.
    SourceTopicIdChanged,
    /// The source topic has fewer partitions than the mirror.
    SourcePartitionsDecreased,
    /// The source log was truncated below what the mirror holds.
    UnexpectedTruncation,
    /// The source holds records of message format v0 or v1.
    UnsupportedMessageFormat,
    /// The source's leader epoch went backwards.
    NonMonotonicSourceEpoch,
    /// The mirror's log is not what Linkgate wrote: another producer wrote to it.
    IllegalState,
    /// The source log has a shape that this version does not mirror. The reason names offset and cause.
    UnsupportedMirrorState,
    /// Any other error.
    Unknown,
}

impl MirrorError {
    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Status of a mirror topic, `mirror_status` of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum MirrorStatus {
    /// It is being mirrored.
    Active,
    /// Stopped by an error. Read-only.
    Failed,
    /// Its link is unusable.
    LinkFailed,
    /// Its link is paused.
    LinkPaused,
    /// Paused by the operator.
    Paused,
    /// A promote or failover is under way.
    PendingStopped,
    /// The source does not answer.
    SourceUnavailable,
    /// It is an ordinary topic.
    Stopped,
    /// It is being created.
    PendingMirror,
}

impl MirrorStatus {
    /// All statuses.
    pub const ALL: &'static [MirrorStatus] = MirrorStatus::VARIANTS;

    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// State of a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "state")]
pub enum MirrorState {
    /// Recorded, but the destination topic is not yet known to exist.
    PendingMirror,
    /// It is being mirrored.
    Active,
    /// Paused by the operator. Continues at the local log end.
    Paused,
    /// A promote or failover is under way.
    PendingStopped {
        /// Kind of the stop.
        stop: StopKind,
    },
    /// An ordinary, writable topic.
    Stopped {
        /// Kind of the stop that ended the mirror.
        stop: StopKind,
        /// Log end offset of each partition when it opened, in partition order. -1 for a partition that had
        /// no leader and whose end was not known.
        log_end_offsets: Vec<i64>,
    },
    /// Stopped by an error. Read-only. An operator must fail it over or delete the topic.
    Failed {
        /// Class of the error.
        error: MirrorError,
        /// Description that names the offset and the cause.
        reason: String,
        /// The partition that failed first, if there is one.
        partition: Option<i32>,
    },
}

/// An event that may change the state of a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorEvent {
    /// The destination topic exists and mirroring begins.
    Started,
    /// The operator pauses it.
    Pause,
    /// The operator resumes it.
    Resume,
    /// The operator asks for a planned stop.
    Promote,
    /// The operator asks for an unplanned stop.
    Failover,
    /// The stop is done.
    StopCompleted {
        /// Log end offset of each partition, in partition order.
        log_end_offsets: Vec<i64>,
    },
    /// Mirroring cannot continue.
    Fail {
        /// Class of the error.
        error: MirrorError,
        /// Description that names the offset and the cause.
        reason: String,
        /// The affected partition, if there is one.
        partition: Option<i32>,
    },
}

/// An event that the current state does not allow. The text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IllegalTransition {
    /// The sentence for the operator.
    pub message: String,
}

/// A mirror topic as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorTopic {
    /// Name of the link that it belongs to.
    pub link: String,
    /// Name on the destination.
    pub topic: String,
    /// Name on the source.
    pub source_topic: String,
    /// Id of the source topic when mirroring began.
    pub source_topic_id: KafkaUuid,
    /// Id of the destination topic; zero until it is known to exist.
    pub local_topic_id: KafkaUuid,
    /// Generation in its link. The reserved producer id derives from it.
    pub generation: u32,
    /// Number of partitions, equal on both sides.
    pub partitions: u32,
    /// Number of times that it was stopped (`StoppedSequenceNumber`).
    pub stopped_sequence: u32,
    /// Current state.
    pub state: MirrorState,
    /// Time when `state` last changed, in milliseconds since the epoch.
    pub state_ms: i64,
    /// Request of the operator for the destination topic. An interrupted creation continues with it.
    #[serde(default)]
    pub requested: TopicRequest,
    /// Start offset of each partition, in partition order: source offsets, chosen when the mirror was
    /// created. Everything below is filler that is then trimmed. A missing partition begins at 0.
    #[serde(default)]
    pub start_offsets: Vec<i64>,
    /// Latest log start jump of each partition that had one.
    #[serde(default)]
    pub jumps: BTreeMap<i32, Jump>,
    /// Progress of a promote with its fences.
    #[serde(default)]
    pub fencing: Fencing,
    /// The source's values of the configs that Linkgate owns while it mirrors, as last seen. A failover sets
    /// them on the topic. Recorded when the mirror is created, and again when they change.
    #[serde(default)]
    pub source_configs: BTreeMap<String, String>,
    /// Texts for operators about what the stop went on without: groups, configs and log starts that the
    /// destination refused.
    #[serde(default)]
    pub left_undone: Vec<String>,
}

/// A log start jump: offsets that the source no longer had when they were to be copied, because they were
/// deleted or expired. The mirror holds filler in their place, and its log start follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// First offset that could not be copied.
    pub from: i64,
    /// Offset at which mirroring went on: the source's log start.
    pub to: i64,
    /// Time when the jump was noticed, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Number of jumps that the partition has had.
    pub count: u64,
}

/// Request of an operator for a destination topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRequest {
    /// Replication factor. The destination's default if absent.
    pub replication_factor: Option<i16>,
    /// Topic configs of this mirror.
    pub configs: BTreeMap<String, String>,
}

impl MirrorTopic {
    /// Returns true if a destination topic with this id is this mirror's. Zero, on either side, means that
    /// the id is not known, and matches.
    #[must_use]
    pub fn is_local_topic(&self, found: KafkaUuid) -> bool {
        found == self.local_topic_id || found == KafkaUuid::ZERO || self.local_topic_id == KafkaUuid::ZERO
    }

    /// Returns the state after `event`. A pure function: nothing is changed here.
    ///
    /// # Errors
    /// [`IllegalTransition`] with the sentence for the operator.
    pub fn on(&self, event: MirrorEvent) -> Result<MirrorState, IllegalTransition> {
        use MirrorEvent as E;
        use MirrorState as S;
        let next = match (&self.state, event) {
            (S::Stopped { .. }, _) => {
                return self.refuse(format!(
                    "Topic '{}' has already stopped its mirror from '{}'",
                    self.topic, self.link
                ));
            }
            (S::PendingMirror, E::Started) => S::Active,
            (S::PendingMirror | S::Active | S::Paused, E::Pause) => S::Paused,
            (S::Active | S::Paused, E::Resume) => S::Active,
            (S::PendingMirror | S::Active | S::Paused, E::Promote)
            | (S::PendingStopped { stop: StopKind::Promote }, E::Promote) => {
                S::PendingStopped { stop: StopKind::Promote }
            }
            (_, E::Failover) => S::PendingStopped { stop: StopKind::Failover },
            (S::PendingStopped { stop }, E::StopCompleted { log_end_offsets }) => {
                S::Stopped { stop: *stop, log_end_offsets }
            }
            // A failover that has begun goes on, whatever happens to the source.
            (S::PendingStopped { stop: StopKind::Failover }, E::Fail { .. }) => self.state.clone(),
            // A promote that has begun to close the logs can only be finished.
            (S::PendingStopped { stop: StopKind::Promote }, E::Fail { .. }) if self.is_closed() => {
                self.state.clone()
            }
            // The first reason is kept: it is the most useful one.
            (S::Failed { .. }, E::Fail { .. }) => self.state.clone(),
            (_, E::Fail { error, reason, partition }) => S::Failed { error, reason, partition },
            (S::PendingStopped { .. }, E::Pause | E::Resume | E::Promote) => {
                return self
                    .refuse(format!("Topic '{}' is being stopped; wait until it is STOPPED", self.topic));
            }
            (S::Failed { reason, .. }, E::Pause | E::Resume | E::Promote) => {
                return self.refuse(format!(
                    "Mirror topic '{}' has FAILED ({reason}); fail it over to keep its data, or delete and create it again",
                    self.topic
                ));
            }
            (S::PendingMirror, E::Resume) => S::PendingMirror,
            (S::Active | S::Paused | S::PendingStopped { .. } | S::Failed { .. }, E::Started) => {
                self.state.clone()
            }
            (state, E::StopCompleted { .. }) => {
                return self.refuse(format!(
                    "Topic '{}' cannot be stopped from {state:?} without a promote or failover",
                    self.topic
                ));
            }
        };
        Ok(next)
    }

    /// Returns the status for the REST API and the tools. It includes the state of the link.
    #[must_use]
    pub fn status(&self, link: LinkState) -> MirrorStatus {
        match (&self.state, link) {
            (MirrorState::Stopped { .. }, _) => MirrorStatus::Stopped,
            (MirrorState::Failed { .. }, _) => MirrorStatus::Failed,
            (MirrorState::PendingStopped { stop: StopKind::Promote }, LinkState::Unavailable) => {
                MirrorStatus::SourceUnavailable
            }
            (MirrorState::PendingStopped { .. }, _) => MirrorStatus::PendingStopped,
            (MirrorState::Paused, _) => MirrorStatus::Paused,
            (_, LinkState::Paused) => MirrorStatus::LinkPaused,
            (_, LinkState::Failed) => MirrorStatus::LinkFailed,
            (_, LinkState::Unavailable) => MirrorStatus::SourceUnavailable,
            (MirrorState::PendingMirror, _) => MirrorStatus::PendingMirror,
            (MirrorState::Active, _) => MirrorStatus::Active,
        }
    }

    /// Returns true if clients may not write to it: in every state but `Stopped`.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !matches!(self.state, MirrorState::Stopped { .. })
    }

    /// Returns true if a promote has begun to fence the logs. Then nothing may be appended any more, and
    /// group offsets and configs follow the source only in the last sync. Such a promote no longer fails.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.fencing != Fencing::NotYet
    }

    /// Returns the producer id of its batches.
    #[must_use]
    pub fn producer_id(&self, link: &Link) -> i64 {
        link.reserved_producer_id(self.generation)
    }

    /// Returns the start offset of a partition. Offsets below it are never copied.
    #[must_use]
    pub fn start_offset(&self, partition: i32) -> i64 {
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        self.start_offsets.get(index).copied().unwrap_or(0)
    }

    fn refuse(&self, message: String) -> Result<MirrorState, IllegalTransition> {
        Err(IllegalTransition { message })
    }
}

#[cfg(test)]
mod tests;
