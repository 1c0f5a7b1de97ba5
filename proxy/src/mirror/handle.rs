//! What others may ask of the mirror side: commands, and how far things are. Types only; `command/` does the work.

use std::collections::BTreeMap;

use state::model::link_config::StartOffset;

use super::fill_cost::FillCost;
use super::progress::PartitionProgress;
use super::start_offset::SourceRange;

/// Why a command was refused, in the terms of the REST API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// HTTP status.
    pub status: u16,
    /// Confluent's `error_code` (spec §9.5): the status, or that and two digits.
    pub error_code: i32,
    /// For people.
    pub message: String,
}

/// What `POST /links` asks for.
#[derive(Debug, Clone, Default)]
pub struct CreateLink {
    /// Name of the link.
    pub name: String,
    /// Link configs by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Id that the source must report.
    pub expected_source_cluster_id: Option<String>,
    /// Check only.
    pub validate_only: bool,
    /// Contact the source before the link is recorded.
    pub validate_link: bool,
}

/// What `POST /links/{link}/mirrors` asks for.
#[derive(Debug, Clone, Default)]
pub struct CreateMirror {
    /// The link.
    pub link: String,
    /// Topic of the source.
    pub source_topic: String,
    /// Topic of the destination; prefix + source topic when absent.
    pub mirror_topic: Option<String>,
    /// Replication factor; the destination's default when absent.
    pub replication_factor: Option<i16>,
    /// Topic configs that are the mirror's own; `mirror.start.offset.spec` among them is where it begins.
    pub configs: BTreeMap<String, String>,
}

/// What the creation of a mirror topic will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorForecast {
    /// The link.
    pub link: String,
    /// Topic of the destination.
    pub topic: String,
    /// Topic of the source.
    pub source_topic: String,
    /// Where it begins, as asked for or as the link says.
    pub start: StartOffset,
    /// What that means for each partition, in partition order.
    pub partitions: Vec<SourceRange>,
    /// What filling the offsets below costs.
    pub fill: FillCost,
}

/// Which mirror topics an action is for.
#[derive(Debug, Clone)]
pub enum Selector {
    /// By name.
    Names(Vec<String>),
    /// By a regular expression that must match the whole name.
    Pattern(String),
}

/// What an operator can do to a mirror topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorAction {
    /// Planned stop.
    Promote,
    /// Unplanned stop.
    Failover,
    /// Hold.
    Pause,
    /// Go on.
    Resume,
}

/// What became of an action for one topic.
#[derive(Debug, Clone)]
pub struct ActionOutcome {
    /// The mirror topic.
    pub topic: String,
    /// Accepted, or why not.
    pub result: Result<(), CommandError>,
    /// How far its partitions were, in partition order.
    pub progress: Vec<PartitionProgress>,
}

/// State of a periodic task of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// `ConsumerOffsetSync`, `TopicConfigsSync`, `AclSync` or `AutoCreateMirror`.
    pub name: &'static str,
    /// `ACTIVE`, `IN_ERROR`, `NOT_CONFIGURED`, `LINK_PAUSED`, `LINK_UNAVAILABLE` or `LINK_FAILED`.
    pub state: &'static str,
    /// Code (`CONSUMER_GROUP_IN_USE_ERROR`, …) and text of what is wrong.
    pub errors: Vec<(String, String)>,
}
