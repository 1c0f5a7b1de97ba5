//! Links and mirror topics for tests.

use std::collections::BTreeMap;

use state::model::{
    ConnectionMode, Fencing, KafkaUuid, Link, LinkError, LinkMode, LinkState, MirrorState, MirrorTopic,
    TopicRequest, View,
};

/// Returns an active link without configs.
pub(crate) fn link(name: &str) -> Link {
    Link {
        name: name.into(),
        id: KafkaUuid::random(),
        source_cluster_id: "source".into(),
        mode: LinkMode::Destination,
        connection_mode: ConnectionMode::Outbound,
        configs: BTreeMap::new(),
        state: LinkState::Active,
        error: LinkError::NoError,
        error_message: String::new(),
        generations: 1,
        created_ms: 0,
        state_ms: 0,
    }
}

/// Returns a mirror topic with two partitions in the given state.
pub(crate) fn mirror(link: &str, topic: &str, state: MirrorState) -> MirrorTopic {
    MirrorTopic {
        topic: topic.into(),
        link: link.into(),
        source_topic: topic.into(),
        source_topic_id: KafkaUuid::random(),
        local_topic_id: KafkaUuid::random(),
        generation: 0,
        partitions: 2,
        stopped_sequence: 0,
        state,
        state_ms: 0,
        requested: TopicRequest::default(),
        start_offsets: Vec::new(),
        jumps: BTreeMap::new(),
        fencing: Fencing::default(),
        source_configs: BTreeMap::new(),
        left_undone: Vec::new(),
    }
}

/// Returns a view of these links and mirror topics.
pub(crate) fn view(
    links: impl IntoIterator<Item = Link>,
    mirrors: impl IntoIterator<Item = MirrorTopic>,
) -> View {
    View {
        sequence: 1,
        links: links.into_iter().map(|link| (link.name.clone(), link)).collect(),
        mirrors: mirrors.into_iter().map(|mirror| (mirror.topic.clone(), mirror)).collect(),
        ..View::default()
    }
}
