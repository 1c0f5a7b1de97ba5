//! Partitions for tests of what works on them.

use std::sync::Arc;

use state::model::KafkaUuid;

use super::{Identity, Partition, ProgressCell, Register};
use crate::mirror::budget::ByteBudget;

/// Broker 0, which leads everything.
const LEADER: i32 = 0;

/// A partition of `topic`, of the same name on both sides, whose mirror ends at `next`; not compared with the source yet.
pub(crate) fn registered_at(topic: &str, next: i64) -> Partition {
    let id = Identity {
        topic: topic.to_owned(),
        source_topic: topic.to_owned(),
        source_topic_id: KafkaUuid::ZERO,
        local_topic_id: KafkaUuid::ZERO,
        index: 0,
        producer_id: 1 << 62,
        start_offset: 0,
    };
    let budget = Arc::new(ByteBudget::new(1 << 30));
    let partition = Partition::new(id, ProgressCell::default(), 1 << 20, budget, Arc::default());
    partition.set_destination_leader(LEADER);
    let _ = partition.registered(partition.attempt(), Register { next, armed: true });
    partition
}
