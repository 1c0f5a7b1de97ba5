//! An incremental fetch session with one source broker (KIP-227): what the broker was told once is not told again, and it answers only
//! for partitions that have something new. So a round costs what is going on, not what there is.
//!
//! Session id and epoch: (0, 0) asks for a session, and names everything. The broker gives an id, or 0 where it has no room for
//! another session: then every round names everything, as without sessions. With an id, epochs count 1, 2, … and only changes are
//! named; epoch 0 gives a session up for a new one. Source: `FetchMetadata`, `FetchSessionHandler` and `FetchSession` of Apache Kafka.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::partition::{FetchPlan, Partition};
use crate::wire::error_code::ErrorCode;

/// From this version on, topics go by id (KIP-516).
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// First version that tells the epoch of the last batch fetched (KIP-595).
const FIRST_VERSION_WITH_FETCHED_EPOCH: i16 = 12;

/// A topic as it is named on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum TopicKey {
    Id(Uuid),
    Name(StrBytes),
}

/// What the broker was last told of a partition.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) partition: Arc<Partition>,
    /// As of the last request, whether it named the partition or not.
    pub(super) plan: FetchPlan,
    leader_epoch: i32,
    round: u64,
}

/// A session, or none yet.
#[derive(Debug, Default)]
pub(super) struct FetchSession {
    id: i32,
    epoch: i32,
    round: u64,
    told: HashMap<(TopicKey, i32), Told>,
}

impl FetchSession {
    /// Adds to `request` what is `wanted` and the broker does not know yet, and what it should forget.
    pub(super) fn ask(
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
                (topic_key(&partition, version), id.index, partition.source_leader().1);
            let told = Told { partition, plan, leader_epoch: epoch, round: self.round };
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
        let named = named.into_iter().map(|(topic, partitions)| {
            let fetch = FetchTopic::default().with_partitions(partitions);
            match topic {
                TopicKey::Id(id) => fetch.with_topic_id(id),
                TopicKey::Name(name) => fetch.with_topic(TopicName(name)),
            }
        });
        request =
            request.with_topics(named.collect()).with_session_id(self.id).with_session_epoch(self.epoch);
        if self.told.len() > count {
            request = request.with_forgotten_topics_data(self.forget());
        }
        request
    }

    /// Remembers what is told; false when the broker knows it already.
    fn tell(&mut self, key: (TopicKey, i32), told: Told) -> bool {
        let Told { partition, plan, leader_epoch, .. } = &told;
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

    /// Forgets what this round does not want.
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

    /// The next request names everything, and gives up the session that there was.
    pub(super) fn begin_anew(&mut self) {
        self.epoch = 0;
    }

    /// Takes note of an answer. False when the broker does not know the session (any more): everything has to be told anew.
    pub(super) fn answered(&mut self, response: &FetchResponse) -> bool {
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

    /// What was told of a partition that an answer names.
    pub(super) fn told(&self, topic_id: Uuid, topic: &StrBytes, index: i32) -> Option<&Told> {
        let topic = if topic_id.is_nil() { TopicKey::Name(topic.clone()) } else { TopicKey::Id(topic_id) };
        self.told.get(&(topic, index))
    }

    /// All that the broker was told of.
    pub(super) fn all(&self) -> impl Iterator<Item = &Told> {
        self.told.values()
    }
}

fn topic_key(partition: &Partition, version: i16) -> TopicKey {
    if version >= FIRST_VERSION_WITH_IDS {
        TopicKey::Id(partition.id.source_topic_id.0)
    } else {
        TopicKey::Name(StrBytes::from_string(partition.id.source_topic.clone()))
    }
}

#[cfg(test)]
mod tests;
