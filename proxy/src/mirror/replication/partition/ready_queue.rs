//! Queues of partitions that have something to send, by destination broker and lane.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::mirror::replication::lane::LANES;
use crate::mirror::replication::partition::Partition;

/// The partitions of one destination broker and lane that have something to send. The `ready` flag of a
/// partition keeps it from being queued twice. Only a reset may leave a stale entry behind.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    partitions: Mutex<VecDeque<Arc<Partition>>>,
    wake: Notify,
}

impl ReadyQueue {
    /// Adds a partition at the end and wakes the appender.
    fn push(&self, partition: Arc<Partition>) {
        self.partitions.lock().push_back(partition);
        self.wake.notify_one();
    }

    /// Takes all entries.
    #[must_use]
    pub(crate) fn take(&self) -> VecDeque<Arc<Partition>> {
        std::mem::take(&mut *self.partitions.lock())
    }

    /// Puts entries that were taken and not served back, before everything else.
    pub(crate) fn put_back(&self, rest: VecDeque<Arc<Partition>>) {
        if rest.is_empty() {
            return;
        }
        let mut partitions = self.partitions.lock();
        for partition in rest.into_iter().rev() {
            partitions.push_front(partition);
        }
        drop(partitions);
        self.wake.notify_one();
    }

    /// Waits until something was pushed or put back since the last call.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }
}

/// Queues of all destination brokers, one per lane. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadyBoard(Arc<Mutex<HashMap<i32, Lanes>>>);

type Lanes = [Arc<ReadyQueue>; LANES];

impl ReadyBoard {
    /// Returns the queues of one broker. Creates them if missing.
    #[must_use]
    pub(crate) fn lanes(&self, broker: i32) -> Lanes {
        let mut queues = self.0.lock();
        queues.entry(broker).or_default().clone()
    }

    fn push(&self, partition: Arc<Partition>) {
        let queue = {
            let mut queues = self.0.lock();
            let lanes = queues.entry(partition.destination_leader()).or_default();
            Arc::clone(&lanes[partition.lane()])
        };
        queue.push(partition);
    }

    /// Returns the handle that partitions have of these queues.
    #[must_use]
    pub(crate) fn handle(&self) -> ReadyHandle {
        ReadyHandle(Arc::downgrade(&self.0))
    }
}

/// A partition's handle of the queues of its link. It is weak because queues hold partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadyHandle(Weak<Mutex<HashMap<i32, Lanes>>>);

impl ReadyHandle {
    /// Returns the queues, or `None` if the link has ended.
    pub(super) fn board(&self) -> Option<ReadyBoard> {
        self.0.upgrade().map(ReadyBoard)
    }

    /// Adds a partition to the queue of its destination leader and lane. Does nothing if the link has ended.
    pub(super) fn push(&self, partition: Arc<Partition>) {
        if let Some(board) = self.board() {
            board.push(partition);
        }
    }
}
