//! Which topics are guarded, by name and by id.
//!
//! A guard may not know its topic's id yet, or know the id of a topic that was deleted and created anew. Producers
//! learn ids from Metadata, which passes here, so the ids of guarded names are noted on the way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use state::model::{KafkaUuid, TopicGuard, TopicGuards};
use tokio::sync::watch;
use uuid::Uuid;

use crate::wire::primitive::Text;
use crate::wire::topic_ref::TopicRef;

/// The guards as they are now.
#[derive(Debug, Clone)]
pub(super) struct Guards {
    snapshot: watch::Receiver<Arc<TopicGuards>>,
    seen: Arc<RwLock<Seen>>,
    /// Topics in which filler was met, by name.
    filled: Arc<RwLock<HashSet<String>>>,
}

/// Ids seen in answers of brokers, at most one for each guarded name.
#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<String, KafkaUuid>,
    names: HashMap<KafkaUuid, String>,
}

impl Seen {
    fn insert(&mut self, name: &str, id: KafkaUuid) {
        if let Some(old) = self.ids.insert(name.to_owned(), id) {
            let _ = self.names.remove(&old);
        }
        let _ = self.names.insert(id, name.to_owned());
    }
}

impl Guards {
    pub(super) fn new(snapshot: watch::Receiver<Arc<TopicGuards>>) -> Self {
        Guards { snapshot, seen: Arc::default(), filled: Arc::default() }
    }

    /// No topic is or was a mirror.
    pub(super) fn is_empty(&self) -> bool {
        self.snapshot.borrow().is_empty()
    }

    /// The guard of a topic.
    pub(super) fn of(&self, topic: &TopicRef) -> Option<TopicGuard> {
        let guards = self.snapshot.borrow();
        match topic {
            TopicRef::Name(name) => guards.by_name(name.as_str()).cloned(),
            TopicRef::Id(id) => {
                let id = KafkaUuid(Uuid::from_bytes(*id));
                if let Some(guard) = guards.by_id(id) {
                    return Some(guard.clone());
                }
                let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
                guards.by_name(seen.names.get(&id)?).cloned()
            }
        }
    }

    /// The guard of a topic that clients may not change.
    pub(super) fn read_only(&self, topic: &TopicRef) -> Option<TopicGuard> {
        self.of(topic).filter(|guard| guard.read_only)
    }

    /// As [`Guards::read_only`], for requests that name topics.
    pub(super) fn read_only_name(&self, name: &Text) -> Option<TopicGuard> {
        self.read_only(&TopicRef::Name(name.clone()))
    }

    /// A broker said that topic `name` has this id.
    pub(super) fn note_id(&self, name: &str, id: KafkaUuid) {
        let news = match self.snapshot.borrow().by_name(name) {
            Some(guard) => id != KafkaUuid::ZERO && guard.topic_id != id,
            None => false,
        };
        if news {
            self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(name, id);
        }
    }

    /// Filler was met in a guarded topic; whether that is news.
    pub(super) fn note_filler(&self, topic: &str) -> bool {
        !self.holds_filler(topic)
            && self.filled.write().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned())
    }

    /// Whether filler was met in it.
    pub(super) fn holds_filler(&self, topic: &str) -> bool {
        self.filled.read().unwrap_or_else(PoisonError::into_inner).contains(topic)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use state::model::Written;

    use super::*;
    use crate::wire::primitive::Reader;

    fn name(text: &str) -> TopicRef {
        let mut bytes = BytesMut::new();
        bytes.put_u16(text.len() as u16);
        bytes.put_slice(text.as_bytes());
        TopicRef::Name(Reader::new(bytes.freeze()).string(false).unwrap())
    }

    fn id(id: KafkaUuid) -> TopicRef {
        TopicRef::Id(*id.0.as_bytes())
    }

    fn guard(topic: &str, topic_id: KafkaUuid) -> TopicGuard {
        TopicGuard {
            topic: topic.into(),
            topic_id,
            link: "dr".into(),
            read_only: true,
            locked_configs: Arc::default(),
            written: Written::default(),
        }
    }

    #[test]
    fn guards_answer_by_name_and_by_id_and_follow_the_snapshot() {
        let known = KafkaUuid::random();
        let (send, receive) = watch::channel(Arc::new(TopicGuards::from_guards([guard("a", known)])));
        let guards = Guards::new(receive);
        assert_eq!(guards.of(&name("a")).unwrap().topic, "a");
        assert_eq!(guards.of(&id(known)).unwrap().topic, "a");
        assert_eq!(guards.of(&name("b")), None);
        send.send(Arc::new(TopicGuards::default())).unwrap();
        assert!(guards.is_empty());
        assert_eq!(guards.of(&id(known)), None);
    }

    #[test]
    fn an_id_seen_in_metadata_guards_a_topic_whose_id_was_not_known() {
        let snapshot = Arc::new(TopicGuards::from_guards([guard("a", KafkaUuid::ZERO)]));
        let guards = Guards::new(watch::channel(snapshot).1);
        let (seen, foreign) = (KafkaUuid::random(), KafkaUuid::random());
        guards.note_id("a", seen);
        guards.note_id("other", foreign);
        guards.note_id("a", KafkaUuid::ZERO);
        assert_eq!(guards.of(&id(seen)).unwrap().topic, "a");
        assert_eq!(guards.of(&id(foreign)), None);
        assert_eq!(guards.of(&id(KafkaUuid::ZERO)), None);
    }
}
