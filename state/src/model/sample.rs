//! Links and mirror topics for tests.

use std::collections::BTreeMap;

use super::{
    ConnectionMode, Fencing, KafkaUuid, Link, LinkError, LinkMode, LinkState, MirrorState, MirrorTopic,
    TopicRequest,
};

pub(crate) fn link(name: &str) -> Link {
    Link {
        name: name.to_owned(),
        id: KafkaUuid::random(),
        source_cluster_id: "source".into(),
        mode: LinkMode::Destination,
        connection_mode: ConnectionMode::Outbound,
        configs: BTreeMap::new(),
        state: LinkState::Active,
        error: LinkError::NoError,
        error_message: String::new(),
        generations: 0,
        created_ms: 0,
        state_ms: 0,
    }
}

pub(crate) fn mirror(link: &str, topic: &str) -> MirrorTopic {
    MirrorTopic {
        link: link.to_owned(),
        topic: topic.to_owned(),
        source_topic: topic.to_owned(),
        source_topic_id: KafkaUuid::ZERO,
        local_topic_id: KafkaUuid::ZERO,
        generation: 0,
        partitions: 1,
        stopped_sequence: 0,
        state: MirrorState::PendingMirror,
        state_ms: 0,
        requested: TopicRequest::default(),
        start_offsets: Vec::new(),
        jumps: BTreeMap::new(),
        fencing: Fencing::default(),
        source_configs: BTreeMap::new(),
        left_undone: Vec::new(),
    }
}
