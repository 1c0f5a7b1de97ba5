//! Compares the topic ids that the journal has with the ids that clusters report.
//!
//! What goes by name must not follow, or change, another topic that got the name meanwhile.

use crate::client::Cluster;
use state::model::{KafkaUuid, MirrorTopic};

/// Returns true if the topics with the mirror's names are still the mirror's, as far as the last metadata of
/// both clusters tells. What goes by name (group offsets, configs) must not follow or change another topic. A
/// topic that the metadata does not name is not judged.
#[must_use]
pub(crate) fn are_its_topics(mirror: &MirrorTopic, source: &Cluster, destination: &Cluster) -> bool {
    is_same(source, &mirror.source_topic, mirror.source_topic_id) && is_on(mirror, destination)
}

/// Returns true if the destination topic with the mirror's name is still the mirror's, by the last metadata.
#[must_use]
pub(crate) fn is_on(mirror: &MirrorTopic, destination: &Cluster) -> bool {
    is_same(destination, &mirror.topic, mirror.local_topic_id)
}

pub(crate) fn is_same(cluster: &Cluster, topic: &str, recorded: KafkaUuid) -> bool {
    let found = cluster.cached().and_then(|known| Some(known.topic(topic)?.id));
    found.is_none_or(|found| !differs(found, recorded))
}

/// Returns true if these are the ids of two topics. An id of zero is not known, and differs from none.
pub(crate) fn differs(found: KafkaUuid, recorded: KafkaUuid) -> bool {
    found != KafkaUuid::ZERO && recorded != KafkaUuid::ZERO && found != recorded
}
