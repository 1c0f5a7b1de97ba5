//! The domain: links, mirror topics, their state machines, and the view that the journal materialises.

mod endpoint;
mod fencing;
pub mod filter;
mod guard;
mod identity;
mod ids;
mod link;
pub mod link_config;
mod mirror;
#[cfg(test)]
pub(crate) mod sample;
mod summary;
mod view;

pub use endpoint::{HostPort, ParseHostPortError};
pub use fencing::Fencing;
pub use guard::{STAMP_TOPIC, TopicGuard, TopicGuards, Written};
pub use identity::JournalIdentity;
pub use ids::{KafkaUuid, ParseUuidError};
pub use link::{
    ConnectionMode, HIDDEN, Link, LinkError, LinkMode, LinkState, LinkStatus, RESERVED_PRODUCER_ID_BASE,
};
pub use mirror::{
    IllegalTransition, Jump, MirrorError, MirrorEvent, MirrorState, MirrorStatus, MirrorTopic, StopKind,
    TopicRequest,
};
pub use summary::{Effect, FieldChange, Subject, Summary, clipped, summarise};
pub use view::{Change, Record, View};
