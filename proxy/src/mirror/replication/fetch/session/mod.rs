//! An incremental fetch session with one source broker (KIP-227). A request names only what has changed since
//! the last one, and the broker answers only for partitions that have something new. So the cost of a fetch
//! depends on the traffic, not on the number of partitions.
//!
//! Session id and epoch: (0, 0) asks for a session and names everything. The broker answers with an id, or
//! with 0 if it has no room for another session: then every request names everything, as without sessions.
//! With an id, epochs count 1, 2, … and requests name only changes; epoch 0 gives up a session for a new one.
//! Source: `FetchMetadata`, `FetchSessionHandler` and `FetchSession` of Apache Kafka.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::messages::fetch_request::{FetchPartition, ForgottenTopic};
use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::mirror::replication::fetch::request::TopicKey;
use crate::mirror::replication::partition::{FetchPlan, Partition};
use crate::wire::protocol::error_code::ErrorCode;

/// First version with the epoch of the last fetched batch (KIP-595).
const FIRST_VERSION_WITH_FETCHED_EPOCH: i16 = 12;

/// What the broker was last told about a partition.
#[derive(Debug)]
pub(crate) struct SessionPartition {
    pub(crate) partition: Arc<Partition>,
    /// Plan at the last request, even if that request did not name the partition.
    pub(crate) plan: FetchPlan,
    leader_epoch: i32,
    round: u64,
}

/// A fetch session; without an id until the broker has given one.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    id: i32,
    epoch: i32,
    round: u64,
    told: HashMap<(TopicKey, i32), SessionPartition>,
}

impl FetchSession {
    /// Adds to `request` the `wanted` partitions that the broker does not know yet, and those that it must
    /// forget.
    pub(crate) fn ask(
        &mut self,
        mut request: FetchRequest,
        wanted: Vec<(Arc<Partition>, FetchPlan)>,
        version: i16,
        max_bytes: i32,
    ) -> FetchRequest {
        self.round += 1;
        if self.epoch == 0 {
            self.told.clear();
        }
        let count = wanted.len();
        let mut named: HashMap<TopicKey, Vec<FetchPartition>> = HashMap::new();
        for (partition, plan) in wanted {
            let id = &partition.id;
            let (topic, index, epoch) =
                (TopicKey::of(&partition, version), id.index, partition.source_leader().1);
            let told = SessionPartition { partition, plan, leader_epoch: epoch, round: self.round };
            if !self.tell((topic.clone(), index), told) {
                continue;
            }
            let fetched_epoch =
                if version >= FIRST_VERSION_WITH_FETCHED_EPOCH { plan.last_fetched_epoch } else { -1 };
            let fetch = FetchPartition::default()
                .with_partition(index)
                .with_fetch_offset(plan.offset)
                .with_current_leader_epoch(epoch)
                .with_last_fetched_epoch(fetched_epoch)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(max_bytes);
            named.entry(topic).or_default().push(fetch);
        }
        let named = named.into_iter().map(|(topic, partitions)| topic.with(partitions));
        request =
            request.with_topics(named.collect()).with_session_id(self.id).with_session_epoch(self.epoch);
        if self.told.len() > count {
            request = request.with_forgotten_topics_data(self.forget());
        }
        request
    }

    /// Remembers what is told. Returns false if the broker knows it already.
    fn tell(&mut self, key: (TopicKey, i32), told: SessionPartition) -> bool {
        let SessionPartition { partition, plan, leader_epoch, .. } = &told;
        match self.told.entry(key) {
            Entry::Occupied(mut known) => {
                let before = known.get();
                let same = Arc::ptr_eq(&before.partition, partition)
                    && before.leader_epoch == *leader_epoch
                    && before.plan.offset == plan.offset
                    && before.plan.last_fetched_epoch == plan.last_fetched_epoch;
                let _ = known.insert(told);
                !same
            }
            Entry::Vacant(new) => {
                let _ = new.insert(told);
                true
            }
        }
    }

    /// Forgets the partitions that this round does not want, and returns them.
    fn forget(&mut self) -> Vec<ForgottenTopic> {
        let mut forgotten: HashMap<TopicKey, Vec<i32>> = HashMap::new();
        let round = self.round;
        self.told.retain(|(topic, index), told| {
            let wanted = told.round == round;
            if !wanted {
                forgotten.entry(topic.clone()).or_default().push(*index);
            }
            wanted
        });
        let forgotten = forgotten.into_iter().map(|(topic, partitions)| {
            let forget = ForgottenTopic::default().with_partitions(partitions);
            match topic {
                TopicKey::Id(id) => forget.with_topic_id(id),
                TopicKey::Name(name) => forget.with_topic(TopicName(name)),
            }
        });
        forgotten.collect()
    }

    /// Makes the next request name everything and give up the current session.
    pub(crate) fn begin_anew(&mut self) {
        self.epoch = 0;
    }

    /// Takes note of an answer. Returns false if the broker does not know the session (any more): then
    /// everything must be named again.
    pub(crate) fn answered(&mut self, response: &FetchResponse) -> bool {
        match ErrorCode(response.error_code) {
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND => {
                (self.id, self.epoch) = (0, 0);
                false
            }
            ErrorCode::INVALID_FETCH_SESSION_EPOCH | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR => {
                self.begin_anew();
                false
            }
            _ if response.session_id == 0 => {
                (self.id, self.epoch) = (0, 0);
                true
            }
            _ => {
                self.id = response.session_id;
                self.epoch = self.epoch.checked_add(1).unwrap_or(1);
                true
            }
        }
    }

    /// Returns what the broker was told about a partition that an answer names.
    pub(crate) fn told(&self, topic_id: Uuid, topic: &StrBytes, index: i32) -> Option<&SessionPartition> {
        let topic = if topic_id.is_nil() { TopicKey::Name(topic.clone()) } else { TopicKey::Id(topic_id) };
        self.told.get(&(topic, index))
    }

    /// Returns everything that the broker was told.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SessionPartition> {
        self.told.values()
    }
}

#[cfg(test)]
mod tests;
