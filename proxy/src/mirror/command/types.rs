//! Interface of the mirror side: commands, and the state of links and mirrors. Types only; `command/` does
//! the work.

use std::collections::BTreeMap;

use state::model::link_config::StartOffset;

use crate::mirror::command::start_offset::SourceRange;
use crate::mirror::filler_report::forecast::FillCost;
use crate::mirror::progress::PartitionProgress;

/// Reason why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// What kind of reason it is.
    pub kind: CommandErrorKind,
    /// Text for operators.
    pub message: String,
}

/// Kinds of reasons why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandErrorKind {
    /// The request, or a config in it, is invalid, or a cluster would refuse it.
    Invalid,
    /// There is no such link.
    NoSuchLink,
    /// The name of a new link is taken.
    LinkExists,
    /// The link cannot be deleted while its mirror topics are not stopped.
    LinkInUse,
    /// A backup cannot be made now, or not under this name.
    BackupRefused,
    /// The operation began and did not finish within the time of a request.
    NotFinished,
    /// A cluster did not authorise a request.
    NotAuthorized,
    /// The source has no such topic.
    NoSuchSourceTopic,
    /// A mirror topic must be called prefix + source topic.
    Renaming,
    /// The topic is not a mirror topic (of this link).
    NotAMirror,
    /// The state of the mirror topic does not allow the action.
    IllegalState,
    /// The destination does not answer, or the journal cannot be written.
    Internal,
    /// The clearance is not decided yet.
    NotClearedYet,
    /// The journal may not be used.
    NotCleared,
}

/// Parameters of `POST /links`.
#[derive(Debug, Clone, Default)]
pub struct CreateLink {
    /// Name of the link.
    pub name: String,
    /// Link configs by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Cluster id that the source must report.
    pub expected_source_cluster_id: Option<String>,
    /// Only check; record nothing.
    pub validate_only: bool,
    /// Contact the source before the link is recorded.
    pub validate_link: bool,
}

/// Parameters of `POST /links/{link}/mirrors`.
#[derive(Debug, Clone, Default)]
pub struct CreateMirror {
    /// Name of the link.
    pub link: String,
    /// Topic on the source.
    pub source_topic: String,
    /// Topic on the destination. Prefix + source topic if absent.
    pub mirror_topic: Option<String>,
    /// Replication factor. The destination's default if absent.
    pub replication_factor: Option<i16>,
    /// Topic configs of this mirror. `mirror.start.offset.spec` among them is its start offset.
    pub configs: BTreeMap<String, String>,
}

/// Forecast for the creation of a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorForecast {
    /// Name of the link.
    pub link: String,
    /// Topic on the destination.
    pub topic: String,
    /// Topic on the source.
    pub source_topic: String,
    /// Start offset spec, from the request or from the link.
    pub start: StartOffset,
    /// Resulting range of each partition, in partition order.
    pub partitions: Vec<SourceRange>,
    /// Cost of filling the offsets below the start offsets.
    pub fill: FillCost,
}

/// Selection of the mirror topics that an action applies to.
#[derive(Debug, Clone)]
pub enum Selector {
    /// By name.
    Names(Vec<String>),
    /// By a regular expression that must match the whole name.
    Pattern(String),
}

/// Action of an operator on a mirror topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum MirrorAction {
    /// Planned stop.
    Promote,
    /// Unplanned stop.
    Failover,
    /// Pause mirroring.
    Pause,
    /// Resume mirroring.
    Resume,
}

/// Result of an action for one topic.
#[derive(Debug, Clone)]
pub struct ActionOutcome {
    /// Name of the mirror topic.
    pub topic: String,
    /// `Ok` if accepted, else the reason.
    pub result: Result<(), CommandError>,
    /// Progress of its partitions, in partition order.
    pub progress: Vec<PartitionProgress>,
}
