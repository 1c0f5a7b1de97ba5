//! What the gateway must know of mirror topics, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::link_config::{ALWAYS_SYNCED, LinkConfig, OWNED};
use super::{KafkaUuid, Link, View};

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
/// Stale is safe: a gateway that has not yet heard of a promote refuses writes a moment longer. Topics that are not in
/// it pass untouched.
#[derive(Debug, Clone, Default)]
pub struct TopicGuards {
    by_name: HashMap<String, TopicGuard>,
    by_id: HashMap<KafkaUuid, String>,
}

impl TopicGuards {
    /// The guards that follow from a view of the journal.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let locked: BTreeMap<&str, Arc<BTreeSet<String>>> =
            view.links.values().map(|link| (link.name.as_str(), Arc::new(locked_configs(link)))).collect();
        let mirrors = view.mirrors.values().map(|mirror| TopicGuard {
            topic: mirror.topic.clone(),
            topic_id: mirror.local_topic_id,
            link: mirror.link.clone(),
            read_only: mirror.is_read_only(),
            locked_configs: locked.get(mirror.link.as_str()).cloned().unwrap_or_default(),
        });
        let own = TopicGuard {
            topic: STAMP_TOPIC.to_owned(),
            topic_id: KafkaUuid::ZERO,
            link: String::new(),
            read_only: true,
            locked_configs: Arc::default(),
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

    /// No topic is guarded: everything passes.
    #[must_use]
    pub fn guard_nothing(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// The configs that follow the source or that mirroring depends on: altering them on the mirror would be undone, or harm.
fn locked_configs(link: &Link) -> BTreeSet<String> {
    let included = LinkConfig::parse(&link.configs).map(|config| config.topic_config_sync.include);
    let always = ALWAYS_SYNCED.iter().chain(&OWNED).map(|name| (*name).to_owned());
    included.unwrap_or_default().into_iter().chain(always).collect()
}
