//! Partitions for the tests of other modules.

use std::sync::Arc;

use state::model::KafkaUuid;

use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::replication::partition::{
    AppendPosition, Partition, PartitionIdentity, ProgressCell, Wakes,
};

/// Broker that leads every partition.
const LEADER: i32 = 0;

/// Creates a partition of `topic`, which has the same name on both sides. Its append position is `next`; no
/// truncation check was made yet.
pub(crate) fn recovered_at(topic: &str, next: i64) -> Arc<Partition> {
    let id = PartitionIdentity {
        topic: topic.to_owned(),
        source_topic: topic.to_owned(),
        source_topic_id: KafkaUuid::ZERO,
        local_topic_id: KafkaUuid::ZERO,
        index: 0,
        producer_id: 1 << 62,
        start_offset: 0,
    };
    let budget = Arc::new(ByteBudget::new(1 << 30));
    let partition = Arc::new(Partition::new(id, ProgressCell::default(), 1 << 20, budget, Wakes::default()));
    partition.set_destination_leader(LEADER);
    partition.recovered(partition.attempt(), AppendPosition { next, producer_known: true });
    partition
}
