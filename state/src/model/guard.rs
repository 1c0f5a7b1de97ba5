//! What the gateway must know of mirror topics, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::link::reserved_producer_id;
use super::link_config::{ALWAYS_SYNCED, LinkConfig, OWNED};
use super::{KafkaUuid, Link, MirrorState, MirrorTopic, RESERVED_PRODUCER_ID_BASE, View};

/// The topic of the destination that holds the stamps of journals: Linkgate's own, so that clients leave it alone.
pub const STAMP_TOPIC: &str = "__linkgate_journal";

/// One topic that is or was a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicGuard {
    /// Name on the destination.
    pub topic: String,
    /// Its id there; zero while it is not known.
    pub topic_id: KafkaUuid,
    /// The link it belongs to.
    pub link: String,
    /// Writes of clients are refused.
    pub read_only: bool,
    /// Configs that clients may not alter while it is read-only, shared by the topics of a link.
    pub locked_configs: Arc<BTreeSet<String>>,
    /// Which of its batches mirroring can have written.
    pub written: Written,
}

/// Which batches of a topic mirroring can have written: the marks of filler count in no other.
///
/// A broker takes any producer id from anyone, so a header alone proves nothing. The default is what is known of nothing:
/// any reserved id, at any offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The link's id and the topic's generation, which the producer id follows from. `None` where the link is deleted: the id
    /// is not known any more, and the mirror is stopped.
    by: Option<(KafkaUuid, u32)>,
    /// Where mirroring ended, by partition, the fence included; negative where nobody could tell. `None` while the
    /// topic is a mirror.
    below: Option<Arc<[i64]>>,
}

impl Written {
    /// What follows from a mirror topic, and its link where that is still there.
    ///
    /// A topic is created by its mirror and has one generation for as long as it lives, so there is one producer id.
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

    /// Whether mirroring can have written a batch of `partition` that begins at `base_offset` and bears `producer_id`.
    #[must_use]
    pub fn covers(&self, partition: i32, base_offset: i64, producer_id: i64) -> bool {
        let end =
            |ends: &Arc<[i64]>| usize::try_from(partition).ok().and_then(|index| ends.get(index)).copied();
        // Without an end the producer id alone decides: through the gateway no client can write it.
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
    /// Whether it guards a topic that is Linkgate's own and no mirror.
    #[must_use]
    pub fn is_linkgates_own(&self) -> bool {
        self.topic == STAMP_TOPIC
    }
}

/// Snapshot of all topics that are or were mirrors, by name and by id.
///
/// Stale is safe after a promote: writes are refused a moment longer. It is not after a mirror was made: topics that
/// are not in it pass untouched, so a write that was let through a moment before may still land in the new topic.
/// Mirroring finds it there, as it finds any write that came past the gateway.
#[derive(Debug, Clone, Default)]
pub struct TopicGuards {
    by_name: HashMap<String, TopicGuard>,
    by_id: HashMap<KafkaUuid, String>,
}

impl TopicGuards {
    /// The guards that follow from a view of the journal, and that of Linkgate's own topic, which has this id (zero
    /// while it is not known).
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

    /// The guards given.
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

    /// The guard of a topic by its name.
    #[must_use]
    pub fn by_name(&self, topic: &str) -> Option<&TopicGuard> {
        self.by_name.get(topic)
    }

    /// The guard of a topic by its id (Produce v13+, Fetch v13+).
    #[must_use]
    pub fn by_id(&self, id: KafkaUuid) -> Option<&TopicGuard> {
        self.by_id.get(&id).and_then(|topic| self.by_name.get(topic))
    }

    /// No topic is or was a mirror: nothing has to be hidden in what is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.values().all(TopicGuard::is_linkgates_own)
    }
}

/// The configs that follow the source or that mirroring depends on: altering them on the mirror would be undone, or harm.
fn locked_configs(link: &Link) -> BTreeSet<String> {
    let included = LinkConfig::parse(&link.configs).map(|config| config.topic_config_sync.include);
    let always = ALWAYS_SYNCED.iter().chain(&OWNED).map(|name| (*name).to_owned());
    included.unwrap_or_default().into_iter().chain(always).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Stop, sample};
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

        let state = MirrorState::Stopped { stop: Stop::Promote, log_end_offsets: vec![10, 0] };
        let stopped = MirrorTopic { state, ..live };
        let written = Written::of(&stopped, Some(&link));
        assert!(written.covers(0, 9, ours) && !written.covers(0, 9, ours + 1));
        for (partition, offset) in [(0, 10), (1, 0), (2, 0), (-1, 0)] {
            assert!(!written.covers(partition, offset, ours), "clients wrote {partition}/{offset}");
        }
    }

    #[test]
    fn where_the_end_is_not_known_the_producer_id_decides() {
        let link = sample::link("dr");
        let ours = link.reserved_producer_id(0);
        let state = MirrorState::Stopped { stop: Stop::Failover, log_end_offsets: vec![10, -1] };
        let written = Written::of(&MirrorTopic { state, ..sample::mirror("dr", "t") }, Some(&link));
        assert!(written.covers(1, 1 << 40, ours) && !written.covers(1, 5, ours + 1));
        assert!(!written.covers(0, 10, ours));
    }

    #[test]
    fn without_its_link_a_stopped_mirror_still_has_an_end() {
        let state = MirrorState::Stopped { stop: Stop::Failover, log_end_offsets: vec![10] };
        let orphan = MirrorTopic { state, ..sample::mirror("dr (deleted)", "t") };
        let written = Written::of(&orphan, None);
        assert!(written.covers(0, 9, RESERVED_PRODUCER_ID_BASE + 1));
        assert!(!written.covers(0, 10, RESERVED_PRODUCER_ID_BASE + 1) && !written.covers(0, 9, 1));
        assert!(Written::default().covers(3, 1 << 40, i64::MAX));
    }
}
