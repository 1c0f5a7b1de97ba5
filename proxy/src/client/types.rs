//! Types of questions and answers about single partitions. The batcher of a cluster keeps them, the admin calls fill them.

/// A partition of a topic.
pub(crate) type TopicPartition = (String, i32);

/// Result of [`Cluster::end_offset_for_epoch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch in the leader's log that is not above the requested one; -1 if there is none.
    pub leader_epoch: i32,
    /// End offset of that epoch (its last offset + 1); -1 if there is none.
    pub end_offset: i64,
    /// Leader epoch under which the leader answered.
    pub current_leader_epoch: i32,
}

/// An offset from a partition leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; -1 if no record has the wanted timestamp or a later one.
    pub offset: i64,
    /// Timestamp of the record at the offset, in ms; -1 if the lookup was not by timestamp.
    pub timestamp: i64,
    /// Leader epoch of the offset; -1 if the broker does not say.
    pub leader_epoch: i32,
}

/// The offset of a partition to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, or with [`Isolation::ReadCommitted`] the last stable offset. It is not the log end
    /// offset.
    Latest,
    /// The offset of the first record whose timestamp, in ms, is this or later.
    Timestamp(i64),
}

/// State of one producer, as the partition leader has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i32,
    /// Sequence of the last record that it appended; -1 for none.
    pub last_sequence: i32,
    /// Timestamp of its last batch, in ms; -1 for none.
    pub last_timestamp: i64,
    /// First offset of its open transaction; `None` if none is open.
    pub current_txn_start_offset: Option<i64>,
}
