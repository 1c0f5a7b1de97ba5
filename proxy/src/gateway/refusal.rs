//! What of one request is refused, and what it takes to say so.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use state::model::TopicGuard;

use crate::wire::primitive::WireError;
use crate::wire::topic_ref::TopicRef;

/// Entries of one request that can be refused: partitions, and topics or resources without any. What answers them is kept until
/// the client has read it; a client that sends more is closed.
pub(super) const MAX_REFUSED: usize = 10_000;

/// Bytes that a refused entry takes at the most, beside its message: kept, in the codec's structures, and on the wire.
pub(super) const BYTES_PER_ENTRY: usize = 512;

/// Why a topic is refused, shared by all entries that name it.
#[derive(Debug)]
pub(super) struct Reason {
    /// Name of the mirror topic.
    pub(super) topic: StrBytes,
    /// Why, and the way out.
    pub(super) message: StrBytes,
}

/// An entry of a request that went no further.
#[derive(Debug)]
pub(super) struct RefusedTopic {
    /// Id that the client named it by; `None` where it used the name.
    pub(super) id: Option<[u8; 16]>,
    /// Its partitions, where the request names them.
    pub(super) partitions: Vec<i32>,
    pub(super) reason: Arc<Reason>,
}

/// All that is refused of a request.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) topics: Vec<RefusedTopic>,
    by_topic: HashMap<String, (Arc<Reason>, usize)>,
    entries: usize,
    bytes: usize,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Refuses an entry. A topic that is named again is refused with the message that it had.
    ///
    /// # Errors
    /// [`WireError::TooMany`].
    pub(super) fn add(
        &mut self,
        guard: &TopicGuard,
        named: &TopicRef,
        partitions: Vec<i32>,
        message: impl FnOnce() -> String,
    ) -> Result<(), WireError> {
        let entries = partitions.len().max(1);
        self.entries += entries;
        if self.entries > MAX_REFUSED {
            return Err(WireError::TooMany { what: "entries to refuse in a request", limit: MAX_REFUSED });
        }
        let (reason, count) = self.by_topic.entry(guard.topic.clone()).or_insert_with(|| {
            let (topic, message) = (StrBytes::from(guard.topic.clone()), StrBytes::from(message()));
            (Arc::new(Reason { topic, message }), 0)
        });
        *count += entries;
        self.bytes += entries * (BYTES_PER_ENTRY + reason.message.len());
        let id = match named {
            TopicRef::Name(_) => None,
            TopicRef::Id(id) => Some(*id),
        };
        self.topics.push(RefusedTopic { id, partitions, reason: Arc::clone(reason) });
        Ok(())
    }

    /// The topics refused, each once, with how many entries name it.
    pub(super) fn by_topic(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_topic.iter().map(|(topic, (_, entries))| (topic.as_str(), *entries))
    }

    /// Entries in all.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes that this and an answer that tells it take at the most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
