//! The domain: links, mirror topics, what may happen to them, and the view that the journal materialises.

mod guard;
mod ids;
mod link;
mod mirror;
mod view;

pub use guard::{TopicGuard, TopicGuards};
pub use ids::{KafkaUuid, ParseUuidError};
pub use link::{
    ConnectionMode, Link, LinkError, LinkMode, LinkState, RESERVED_PRODUCER_ID_BASE,
};
pub use mirror::{
    IllegalTransition, MirrorError, MirrorEvent, MirrorState, MirrorStatus, MirrorTopic, Stop,
};
pub use view::{Change, Record, View};
