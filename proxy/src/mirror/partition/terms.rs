//! The words of a partition: who it is, where it is, what it asks for.

use state::model::{KafkaUuid, MirrorError};

use crate::mirror::on_the_way::PendingAppend;
use crate::mirror::shape::Shaped;

/// Why a partition cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class, as REST shows it.
    pub error: MirrorError,
    /// Offset and cause, for people.
    pub reason: String,
}

/// Where a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The next offset is not known: the register must be read.
    Unregistered,
    /// Fetching and appending.
    Running,
    /// No more fetches: what is queued drains, then the log end stands still.
    Frozen,
    /// Given up.
    Failed(Failure),
}

/// What never changes of a partition while its mirror generation lives.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Topic on the destination.
    pub topic: String,
    /// Id of the destination topic: one that was created anew under the name is not this mirror's.
    pub local_topic_id: KafkaUuid,
    /// Topic on the source.
    pub source_topic: String,
    /// Id of the source topic when mirroring began.
    pub source_topic_id: KafkaUuid,
    /// Partition number, the same on both sides.
    pub index: i32,
    /// Reserved producer id of this generation.
    pub producer_id: i64,
    /// Where the log begins: what is below is never copied.
    pub start_offset: i64,
}

impl Identity {
    /// Whether a topic of the destination with this id is the mirror's. Zero, on either side, is an id that is not
    /// told.
    #[must_use]
    pub fn is_local_topic(&self, found: KafkaUuid) -> bool {
        is_same(found, self.local_topic_id)
    }

    /// The same for a topic of the source.
    #[must_use]
    pub fn is_source_topic(&self, found: KafkaUuid) -> bool {
        is_same(found, self.source_topic_id)
    }
}

fn is_same(found: KafkaUuid, recorded: KafkaUuid) -> bool {
    found == recorded || found == KafkaUuid::ZERO || recorded == KafkaUuid::ZERO
}

/// Offsets that the source no longer has although they are next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// First offset that cannot be copied.
    pub from: i64,
    /// The source's log start.
    pub to: i64,
    /// The attempt it was met in.
    pub attempt: u64,
}

/// Where a partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The next offset to append.
    pub next: i64,
    /// The broker knows the reserved producer id, and so refuses whatever is out of sequence.
    pub armed: bool,
}

/// A batch on its way to the destination, and which attempt it belongs to.
#[derive(Debug)]
pub struct Sending {
    /// The batch.
    pub batch: Shaped,
    /// Answers of another attempt are void.
    pub attempt: u64,
    /// Kept until the answer is there.
    pub on_the_way: PendingAppend,
}

/// What a fetch needs to know of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPlan {
    /// Offset to fetch from.
    pub offset: i64,
    /// Leader epoch of the last batch fetched; -1 when none.
    pub last_fetched_epoch: i32,
    /// The fetch belongs to this attempt.
    pub attempt: u64,
}

/// Why a partition takes no part in a fetch just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFetch {
    /// Its window is full; it will have room soon.
    WindowFull,
    /// Not running.
    NotRunning,
}
