//! A mirror topic and what may happen to it.
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
//! `LINK_PAUSED`, `LINK_FAILED` and `SOURCE_UNAVAILABLE` are no states of their own: they follow from the link and are
//! derived by [`MirrorTopic::status`], so that they can never disagree with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fencing, KafkaUuid, Link, LinkState};

/// How a mirror ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stop {
    /// Catch up with the source, sync a last time, then open the topic.
    Promote,
    /// Open the topic at once with what it has; the source may be gone.
    Failover,
}

/// Why a mirror failed, as `mirror_topic_error` of the REST API says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MirrorError {
    /// Nothing is wrong.
    NoError,
    /// The source no longer knows the topic.
    SourceTopicMayBeDeleted,
    /// The source topic was deleted and created anew.
    SourceTopicIdChanged,
    /// The source topic has fewer partitions than the mirror.
    SourcePartitionsDecreased,
    /// The source log was truncated below what the mirror holds.
    UnexpectedTruncation,
    /// The source holds records of message format v0 or v1.
    UnsupportedMessageFormat,
    /// The source's leader epoch went backwards.
    NonMonotonicSourceEpoch,
    /// The mirror's log is not what Linkgate wrote: somebody else wrote to it.
    IllegalState,
    /// The source log has a shape that this version does not mirror; the reason names offset and cause.
    UnsupportedMirrorState,
    /// Anything else.
    Unknown,
}

impl MirrorError {
    /// The name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MirrorError::NoError => "NO_ERROR",
            MirrorError::SourceTopicMayBeDeleted => "SOURCE_TOPIC_MAY_BE_DELETED",
            MirrorError::SourceTopicIdChanged => "SOURCE_TOPIC_ID_CHANGED",
            MirrorError::SourcePartitionsDecreased => "SOURCE_PARTITIONS_DECREASED",
            MirrorError::UnexpectedTruncation => "UNEXPECTED_TRUNCATION",
            MirrorError::UnsupportedMessageFormat => "UNSUPPORTED_MESSAGE_FORMAT",
            MirrorError::NonMonotonicSourceEpoch => "NON_MONOTONIC_SOURCE_EPOCH",
            MirrorError::IllegalState => "ILLEGAL_STATE",
            MirrorError::UnsupportedMirrorState => "UNSUPPORTED_MIRROR_STATE",
            MirrorError::Unknown => "UNKNOWN",
        }
    }
}

/// `mirror_status` of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MirrorStatus {
    /// Being mirrored.
    Active,
    /// Stopped by an error; read-only.
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
    /// An ordinary topic again.
    Stopped,
    /// Being created.
    PendingMirror,
}

impl MirrorStatus {
    /// The name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MirrorStatus::Active => "ACTIVE",
            MirrorStatus::Failed => "FAILED",
            MirrorStatus::LinkFailed => "LINK_FAILED",
            MirrorStatus::LinkPaused => "LINK_PAUSED",
            MirrorStatus::Paused => "PAUSED",
            MirrorStatus::PendingStopped => "PENDING_STOPPED",
            MirrorStatus::SourceUnavailable => "SOURCE_UNAVAILABLE",
            MirrorStatus::Stopped => "STOPPED",
            MirrorStatus::PendingMirror => "PENDING_MIRROR",
        }
    }
}

/// Where a mirror topic is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "state")]
pub enum MirrorState {
    /// Recorded, and the destination topic not yet known to exist.
    PendingMirror,
    /// Being mirrored.
    Active,
    /// Held by the operator; goes on at the local log end.
    Paused,
    /// On its way to `Stopped`.
    PendingStopped {
        /// How.
        stop: Stop,
    },
    /// An ordinary, writable topic.
    Stopped {
        /// How it got there.
        stop: Stop,
        /// Log end offset of each partition when it opened, in partition order; -1 of one that had no leader and whose
        /// end nobody knew.
        log_end_offsets: Vec<i64>,
    },
    /// Stopped by an error. Read-only; `failover` or deleting the topic is the way out.
    Failed {
        /// The class of error.
        error: MirrorError,
        /// What happened, naming the offset and the cause.
        reason: String,
        /// The partition that failed first, where one did.
        partition: Option<i32>,
    },
}

/// Something that happens to a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorEvent {
    /// The destination topic exists and mirroring begins.
    Started,
    /// The operator holds it.
    Pause,
    /// The operator lets it go on.
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
    /// Mirroring cannot go on.
    Fail {
        /// The class of error.
        error: MirrorError,
        /// What happened, naming the offset and the cause.
        reason: String,
        /// The partition concerned, where one is.
        partition: Option<i32>,
    },
}

/// An event that the present state does not allow. The text is what the operator is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IllegalTransition {
    /// The sentence for the operator.
    pub message: String,
}

/// A mirror topic as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorTopic {
    /// The link it belongs to.
    pub link: String,
    /// Its name on the destination.
    pub topic: String,
    /// Its name on the source.
    pub source_topic: String,
    /// Id of the source topic when mirroring began.
    pub source_topic_id: KafkaUuid,
    /// Id of the destination topic; zero until it is known to exist.
    pub local_topic_id: KafkaUuid,
    /// Which generation of its link it is: decides the reserved producer id.
    pub generation: u32,
    /// Number of partitions, equal on both sides.
    pub partitions: u32,
    /// How often it has been stopped (`StoppedSequenceNumber`).
    pub stopped_sequence: u32,
    /// Where it is in its life.
    pub state: MirrorState,
    /// When `state` last changed, in milliseconds since the epoch.
    pub state_ms: i64,
    /// What the operator asked of the destination topic: a creation that was cut off goes on as asked.
    #[serde(default)]
    pub requested: TopicRequest,
    /// Where each partition's log begins, in partition order: offsets of the source, chosen when the mirror was created.
    /// Everything below is filler and then trimmed. A partition that is not in it begins at 0.
    #[serde(default)]
    pub start_offsets: Vec<i64>,
    /// The latest jump of each partition that had one.
    #[serde(default)]
    pub jumps: BTreeMap<i32, Jump>,
    /// How far a promote is with closing the logs.
    #[serde(default)]
    pub fencing: Fencing,
    /// The source's values of the configs that Linkgate owns while it mirrors, as last seen: a failover gives them to the
    /// topic. Empty until they were seen.
    #[serde(default)]
    pub source_configs: BTreeMap<String, String>,
    /// What the stop went on without, for people: groups, configs and log starts that the destination refused.
    #[serde(default)]
    pub left_undone: Vec<String>,
}

/// Offsets that the source no longer had when they were to be copied: trimmed or expired there. The mirror holds filler
/// in their place and its log start follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// First offset that could not be copied.
    pub from: i64,
    /// Where mirroring went on: the source's log start.
    pub to: i64,
    /// When it was noticed, in milliseconds since the epoch.
    pub at_ms: i64,
    /// How many jumps the partition has had.
    pub count: u64,
}

/// What an operator may ask of a destination topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRequest {
    /// Replication factor; the destination's default when absent.
    pub replication_factor: Option<i16>,
    /// Topic configs that are the mirror's own.
    pub configs: BTreeMap<String, String>,
}

impl MirrorTopic {
    /// Whether a topic of the destination with this id is this mirror's. Zero, on either side, is an id that is not
    /// told.
    #[must_use]
    pub fn is_local_topic(&self, found: KafkaUuid) -> bool {
        found == self.local_topic_id || found == KafkaUuid::ZERO || self.local_topic_id == KafkaUuid::ZERO
    }

    /// The state that follows from `event`, or why there is none. Pure: nothing changes here.
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
            | (S::PendingStopped { stop: Stop::Promote }, E::Promote) => {
                S::PendingStopped { stop: Stop::Promote }
            }
            (_, E::Failover) => S::PendingStopped { stop: Stop::Failover },
            (S::PendingStopped { stop }, E::StopCompleted { log_end_offsets }) => {
                S::Stopped { stop: *stop, log_end_offsets }
            }
            // A failover that has begun goes on whatever the source does.
            (S::PendingStopped { stop: Stop::Failover }, E::Fail { .. }) => self.state.clone(),
            // A promote that has begun to close the logs can only be finished.
            (S::PendingStopped { stop: Stop::Promote }, E::Fail { .. }) if self.is_closed() => {
                self.state.clone()
            }
            // The first reason is the one worth reading.
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

    /// What the REST API and the tools call the state, the link's own state included.
    #[must_use]
    pub fn status(&self, link: LinkState) -> MirrorStatus {
        match (&self.state, link) {
            (MirrorState::Stopped { .. }, _) => MirrorStatus::Stopped,
            (MirrorState::Failed { .. }, _) => MirrorStatus::Failed,
            (MirrorState::PendingStopped { stop: Stop::Promote }, LinkState::Unavailable) => {
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

    /// Whether clients may not write to it: true in every state but `Stopped`.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !matches!(self.state, MirrorState::Stopped { .. })
    }

    /// Whether a promote has begun to fence its logs: nothing may be appended any more, and neither group offsets nor
    /// configs follow the source but for the last sync. Such a promote no longer fails.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.fencing != Fencing::NotYet
    }

    /// The producer id that its batches carry.
    #[must_use]
    pub fn producer_id(&self, link: &Link) -> i64 {
        link.reserved_producer_id(self.generation)
    }

    /// Where the log of a partition begins: offsets below are never copied.
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
