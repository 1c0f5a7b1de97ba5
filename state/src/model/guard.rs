//! The facts about mirror topics that the gateway needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::link::reserved_producer_id;
use super::link_config::{ALWAYS_SYNCED, LinkConfig, OWNED};
use super::{KafkaUuid, Link, MirrorState, MirrorTopic, RESERVED_PRODUCER_ID_BASE, View};

/// The topic on the destination that holds the stamps of journals. It is Linkgate's own, so clients must not
/// change it.
pub const STAMP_TOPIC: &str = "__linkgate_journal";

/// Guard of one topic that is or was a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicGuard {
    /// Name on the destination.
    pub topic: String,
    /// Topic id on the destination. Zero while it is not known.
    pub topic_id: KafkaUuid,
    /// Name of the link that it belongs to.
    pub link: String,
    /// True if writes of clients are refused.
    pub read_only: bool,
    /// Configs that clients may not alter while the topic is read-only. Shared by the topics of a link.
    pub locked_configs: Arc<BTreeSet<String>>,
    /// The batches of the topic that mirroring can have written.
    pub written: Written,
}

/// The batches of a topic that mirroring can have written. Marks of filler count only in these.
///
/// A broker accepts any producer id from any client, so a header alone proves nothing. The default is for a
/// topic of which nothing is known: any reserved id, at any offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Id of the link and generation of the topic. The producer id derives from them. `None` if the link is
    /// deleted: then the id is not known any more, and the mirror is stopped.
    by: Option<(KafkaUuid, u32)>,
    /// Offset at which mirroring ended, by partition, including the fence. Negative where it was not known.
    /// `None` while the topic is a mirror.
    below: Option<Arc<[i64]>>,
}

impl Written {
    /// Derives it from a mirror topic, and its link if that still exists.
    ///
    /// A topic is created by its mirror and has one generation for all its life, so there is one producer id.
    #[must_use]
    pub fn of(mirror: &MirrorTopic, link: Option<&Link>) -> Self {
        Written {
            by: link.map(|link| (link.id, mirror.generation)),
            below: match &mirror.state {
                MirrorState::Stopped { log_end_offsets, .. } => Some(log_end_offsets.as_slice().into()),
                _ => None,
            },
        }
    }

    /// Returns true if mirroring can have written a batch of `partition` that begins at `base_offset` and has
    /// `producer_id`.
    #[must_use]
    pub fn covers(&self, partition: i32, base_offset: i64, producer_id: i64) -> bool {
        let end =
            |ends: &Arc<[i64]>| usize::try_from(partition).ok().and_then(|index| ends.get(index)).copied();
        // Without a known end the producer id alone decides: the gateway does not let clients use it.
        let is_below = |end: i64| end < 0 || base_offset < end;
        let below = self.below.as_ref().is_none_or(|ends| end(ends).is_some_and(is_below));
        below
            && match self.by {
                Some((link, generation)) => producer_id == reserved_producer_id(link, generation),
                None => producer_id >= RESERVED_PRODUCER_ID_BASE,
            }
    }
}

impl TopicGuard {
    /// Returns true if the topic is Linkgate's own, not a mirror.
    #[must_use]
    pub fn is_linkgates_own(&self) -> bool {
        self.topic == STAMP_TOPIC
    }
}

/// Snapshot of all topics that are or were mirrors, by name and by id.
///
/// A stale snapshot is safe after a promote: writes are refused a moment longer. It is not safe after a
/// mirror was created: topics that are not in it pass untouched, so a write that was let through a moment
/// before may still be appended to the new topic. Mirroring detects it there, like any write past the
/// gateway.
#[derive(Debug, Clone, Default)]
pub struct TopicGuards {
    by_name: HashMap<String, TopicGuard>,
    by_id: HashMap<KafkaUuid, String>,
}

impl TopicGuards {
    /// Derives the guards from a view of the journal. Adds the guard of Linkgate's own topic, whose id is
    /// `own` (zero while it is not known).
    #[must_use]
    pub fn of(view: &View, own: KafkaUuid) -> Self {
        let locked: BTreeMap<&str, Arc<BTreeSet<String>>> =
            view.links.values().map(|link| (link.name.as_str(), Arc::new(locked_configs(link)))).collect();
        let mirrors = view.mirrors.values().map(|mirror| TopicGuard {
            topic: mirror.topic.clone(),
            topic_id: mirror.local_topic_id,
            link: mirror.link.clone(),
            read_only: mirror.is_read_only(),
            locked_configs: locked.get(mirror.link.as_str()).cloned().unwrap_or_default(),
            written: Written::of(mirror, view.links.get(&mirror.link)),
        });
        let own = TopicGuard {
            topic: STAMP_TOPIC.to_owned(),
            topic_id: own,
            link: String::new(),
            read_only: true,
            locked_configs: Arc::default(),
            written: Written::default(),
        };
        Self::from_guards(mirrors.chain([own]))
    }

    /// Collects the given guards.
    pub fn from_guards(guards: impl IntoIterator<Item = TopicGuard>) -> Self {
        let mut all = TopicGuards::default();
        for guard in guards {
            if guard.topic_id != KafkaUuid::ZERO {
                let _ = all.by_id.insert(guard.topic_id, guard.topic.clone());
            }
            let _ = all.by_name.insert(guard.topic.clone(), guard);
        }
        all
    }

    /// Returns the guard of a topic by its name.
    #[must_use]
    pub fn by_name(&self, topic: &str) -> Option<&TopicGuard> {
        self.by_name.get(topic)
    }

    /// Returns the guard of a topic by its id (Produce v13+, Fetch v13+).
    #[must_use]
    pub fn by_id(&self, id: KafkaUuid) -> Option<&TopicGuard> {
        self.by_id.get(&id).and_then(|topic| self.by_name.get(topic))
    }

    /// Returns true if no topic is or was a mirror: then nothing must be hidden from consumers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.values().all(TopicGuard::is_linkgates_own)
    }
}

/// Returns the configs that follow the source or that mirroring depends on. Altering them on the mirror would
/// be undone, or do harm.
fn locked_configs(link: &Link) -> BTreeSet<String> {
    let included = LinkConfig::parse(&link.configs).map(|config| config.topic_config_sync.include);
    let always = ALWAYS_SYNCED.iter().chain(&OWNED).map(|name| (*name).to_owned());
    included.unwrap_or_default().into_iter().chain(always).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{StopKind, sample};
    use super::*;

    #[test]
    fn marks_count_only_with_the_id_of_the_mirror_and_below_its_end() {
        let link = sample::link("dr");
        let ours = link.reserved_producer_id(3);
        let state = MirrorState::Active;
        let live = MirrorTopic { generation: 3, state, ..sample::mirror("dr", "t") };
        let written = Written::of(&live, Some(&link));
        assert!(written.covers(0, 5, ours) && written.covers(9, i64::MAX, ours));
        assert!(!written.covers(0, 5, link.reserved_producer_id(2)) && !written.covers(0, 5, 7));

        let state = MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![10, 0] };
        let stopped = MirrorTopic { state, ..live };
        let written = Written::of(&stopped, Some(&link));
        assert!(written.covers(0, 9, ours) && !written.covers(0, 9, ours + 1));
        for (partition, offset) in [(0, 10), (1, 0), (2, 0), (-1, 0)] {
            assert!(!written.covers(partition, offset, ours), "clients wrote {partition}/{offset}");
        }
    }

    #[test]
    fn without_a_known_end_the_producer_id_decides() {
        let link = sample::link("dr");
        let ours = link.reserved_producer_id(0);
        let state = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![10, -1] };
        let written = Written::of(&MirrorTopic { state, ..sample::mirror("dr", "t") }, Some(&link));
        assert!(written.covers(1, 1 << 40, ours) && !written.covers(1, 5, ours + 1));
        assert!(!written.covers(0, 10, ours));
    }

    #[test]
    fn without_its_link_a_stopped_mirror_still_has_an_end() {
        let state = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![10] };
        let orphan = MirrorTopic { state, ..sample::mirror("dr (deleted)", "t") };
        let written = Written::of(&orphan, None);
        assert!(written.covers(0, 9, RESERVED_PRODUCER_ID_BASE + 1));
        assert!(!written.covers(0, 10, RESERVED_PRODUCER_ID_BASE + 1) && !written.covers(0, 9, 1));
        assert!(Written::default().covers(3, 1 << 40, i64::MAX));
    }
}
