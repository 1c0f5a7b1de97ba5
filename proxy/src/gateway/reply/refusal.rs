//! Collects the refused entries of one request, with all that their response needs.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use state::model::TopicGuard;

use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::topic_ref::TopicRef;

/// Maximum number of entries of one request that can be refused: partitions, and topics or resources without
/// partitions. Their part of the response is kept until the client has read it. A client that sends more is
/// disconnected.
pub(crate) const MAX_REFUSED: usize = 10_000;

/// Maximum memory of a refused entry, in bytes, besides its message: kept here, in the codec's structures,
/// and on the wire.
pub(crate) const BYTES_PER_ENTRY: usize = 512;

/// Reason why a topic is refused, shared by all entries that name it.
#[derive(Debug)]
pub(crate) struct Reason {
    /// Name of the refused topic.
    pub(crate) topic: StrBytes,
    /// Error message: the reason, and what to do instead.
    pub(crate) message: StrBytes,
}

/// Entry of a request that was not sent on.
#[derive(Debug)]
pub(crate) struct RefusedTopic {
    /// Id by which the client named the topic. `None` if it used the name.
    pub(crate) id: Option<[u8; 16]>,
    /// Its partitions, if the request names any.
    pub(crate) partitions: Vec<i32>,
    pub(crate) reason: Arc<Reason>,
}

/// All refused entries of one request.
#[derive(Debug, Default)]
pub(crate) struct RequestRefusals {
    pub(crate) topics: Vec<RefusedTopic>,
    by_topic: HashMap<String, (Arc<Reason>, usize)>,
    entries: usize,
    bytes: usize,
}

impl RequestRefusals {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Refuses an entry. All entries of one topic share the message of the first.
    ///
    /// # Errors
    /// [`WireError::TooMany`] beyond [`MAX_REFUSED`] entries.
    pub(crate) fn add(
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

    /// Returns each refused topic once, with the number of its entries.
    pub(crate) fn by_topic(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_topic.iter().map(|(topic, (_, entries))| (topic.as_str(), *entries))
    }

    /// Returns the number of refused entries.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// Returns the maximum memory of these entries and of the response that reports them, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
