//! Finds the guard of a topic, by name or by id.
//!
//! A guard may not know its topic's id yet, or may hold the id of a topic that was deleted and created again.
//! Producers learn ids from Metadata responses, which pass through the gateway. So the gateway notes the ids
//! of guarded names in these responses.

use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use state::model::{KafkaUuid, TopicGuard, TopicGuards};
use tokio::sync::watch;
use uuid::Uuid;

use crate::wire::protocol::primitive::Text;
use crate::wire::protocol::topic_ref::TopicRef;

/// Current guards of all topics. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    snapshot: watch::Receiver<Arc<TopicGuards>>,
    seen: Arc<RwLock<SeenTopicIds>>,
    /// Names of guarded topics in which filler was found.
    filled: Arc<RwLock<HashSet<String>>>,
    /// Names of guarded topics whose filler ended a connection.
    in_the_way: Arc<RwLock<HashSet<String>>>,
}

/// Topic ids found in responses of brokers, at most one for each guarded name.
#[derive(Debug, Default)]
struct SeenTopicIds {
    ids: HashMap<String, KafkaUuid>,
    names: HashMap<KafkaUuid, String>,
}

impl SeenTopicIds {
    fn insert(&mut self, name: &str, id: KafkaUuid) {
        if let Some(old) = self.ids.insert(name.to_owned(), id) {
            let _ = self.names.remove(&old);
        }
        let _ = self.names.insert(id, name.to_owned());
    }
}

impl Guards {
    pub(crate) fn new(snapshot: watch::Receiver<Arc<TopicGuards>>) -> Self {
        Guards { snapshot, seen: Arc::default(), filled: Arc::default(), in_the_way: Arc::default() }
    }

    /// Returns true if no topic is or was a mirror.
    pub(crate) fn is_empty(&self) -> bool {
        self.snapshot.borrow().is_empty()
    }

    /// Returns the guard of a topic.
    pub(crate) fn of(&self, topic: &TopicRef) -> Option<TopicGuard> {
        let guards = self.snapshot.borrow();
        match topic {
            TopicRef::Name(name) => guards.by_name(name.as_str()).cloned(),
            TopicRef::Id(id) => {
                let id = KafkaUuid(Uuid::from_bytes(*id));
                if let Some(guard) = guards.by_id(id) {
                    return Some(guard.clone());
                }
                let seen = self.seen.read();
                guards.by_name(seen.names.get(&id)?).cloned()
            }
        }
    }

    /// Returns the guard of a topic if clients may not change the topic.
    pub(crate) fn read_only(&self, topic: &TopicRef) -> Option<TopicGuard> {
        self.of(topic).filter(|guard| guard.read_only)
    }

    /// Returns the guard of the topic with this name if clients may not change the topic.
    pub(crate) fn read_only_name(&self, name: &Text) -> Option<TopicGuard> {
        self.read_only(&TopicRef::Name(name.clone()))
    }

    /// Notes the id that a broker gave for topic `name`. Ignores topics without a guard, and an id that the
    /// guard has.
    pub(crate) fn note_id(&self, name: &str, id: KafkaUuid) {
        let news = match self.snapshot.borrow().by_name(name) {
            Some(guard) => id != KafkaUuid::ZERO && guard.topic_id != id,
            None => false,
        };
        if news {
            self.seen.write().insert(name, id);
        }
    }

    /// Notes that filler was found in a guarded topic. Returns true if this was not known before.
    pub(crate) fn note_filler(&self, topic: &str) -> bool {
        !self.holds_filler(topic) && self.filled.write().insert(topic.to_owned())
    }

    /// Notes that filler of this topic could not be hidden in a streamed response, which ended the connection.
    pub(crate) fn note_in_the_way(&self, topic: &str) {
        let _ = self.in_the_way.write().insert(topic.to_owned());
    }

    /// Returns true if a guarded topic had filler that ended a connection. The client asks again, and the topic
    /// may be anywhere in the response, so no response is streamed then.
    pub(crate) fn is_something_in_the_way(&self) -> bool {
        let guards = self.snapshot.borrow();
        self.in_the_way.read().iter().any(|topic| guards.by_name(topic).is_some())
    }

    /// Returns true if filler was found in the topic.
    pub(crate) fn holds_filler(&self, topic: &str) -> bool {
        self.filled.read().contains(topic)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use state::model::Written;

    use super::*;
    use crate::wire::protocol::primitive::Reader;

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
