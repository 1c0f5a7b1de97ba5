//! Data types of a partition: its identity, its phase, and what other tasks exchange with it.

use crate::mirror::replication::failure::PartitionFailure;

use state::model::KafkaUuid;

use crate::mirror::in_flight::PendingAppend;
use crate::mirror::replication::shape::Shaped;

/// Phase of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The append position is not known and must be recovered.
    Recovering,
    /// Fetching and appending.
    Running,
    /// No more fetches: what is queued is still appended, then the log end stands still.
    Frozen,
    /// Failed for good.
    Failed(PartitionFailure),
}

/// Identity of a partition. It never changes during a mirror generation.
#[derive(Debug, Clone)]
pub(crate) struct PartitionIdentity {
    /// Name of the destination topic.
    pub topic: String,
    /// Id of the destination topic. A topic created later under the same name is not this mirror's.
    pub local_topic_id: KafkaUuid,
    /// Name of the source topic.
    pub source_topic: String,
    /// Id of the source topic when mirroring began.
    pub source_topic_id: KafkaUuid,
    /// Partition number, the same on both sides.
    pub index: i32,
    /// Reserved producer id of this link and generation.
    pub producer_id: i64,
    /// Start offset: records below it are never copied.
    pub start_offset: i64,
}

impl PartitionIdentity {
    /// Returns true if a destination topic with this id is the mirror's. An id of zero, on either side, is
    /// not known and matches.
    #[must_use]
    pub(crate) fn is_local_topic(&self, found: KafkaUuid) -> bool {
        is_same(found, self.local_topic_id)
    }

    /// Returns true if a source topic with this id is the one that is mirrored. An id of zero, on either
    /// side, matches.
    #[must_use]
    pub(crate) fn is_source_topic(&self, found: KafkaUuid) -> bool {
        is_same(found, self.source_topic_id)
    }
}

fn is_same(found: KafkaUuid, recorded: KafkaUuid) -> bool {
    found == recorded || found == KafkaUuid::ZERO || recorded == KafkaUuid::ZERO
}

/// A log start jump: offsets that were next to copy, but that the source no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogStartJump {
    /// First offset that cannot be copied.
    pub from: i64,
    /// Log start offset of the source.
    pub to: i64,
    /// Attempt in which the jump was found.
    pub attempt: Attempt,
}

/// Append position of a partition, as position recovery found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendPosition {
    /// Offset of the next batch to append.
    pub next: i64,
    /// True if the broker knows the reserved producer id, and so refuses every batch that is out of sequence.
    pub producer_known: bool,
}

/// A batch to send, with the attempt that it belongs to.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Batch to send.
    pub batch: Shaped,
    /// Attempt of the batch. Answers to another attempt are ignored.
    pub attempt: Attempt,
    /// Counts the append as in flight until it is dropped, when the answer is there.
    pub on_the_way: PendingAppend,
}

/// Parameters of a fetch for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchPlan {
    /// Offset to fetch from.
    pub offset: i64,
    /// Leader epoch of the last batch fetched; -1 if not known.
    pub last_fetched_epoch: i32,
    /// Attempt that the fetch belongs to.
    pub attempt: Attempt,
}

/// Reason why a fetch leaves a partition out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFetch {
    /// Its window is full, the byte budget is spent, or its last answer is still being shaped. It will have
    /// room soon.
    NoRoom,
    /// It is not running, is delayed, or waits for a destination leader, the truncation check or the journal.
    NotRunning,
}

/// One period of work on a partition between two resets. Only the partition makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt(u64);

impl Attempt {
    pub(super) const FIRST: Attempt = Attempt(0);

    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> Attempt {
        Attempt(number)
    }

    pub(super) fn next(self) -> Attempt {
        Attempt(self.0 + 1)
    }
}
