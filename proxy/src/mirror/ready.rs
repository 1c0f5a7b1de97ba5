//! Which partitions have something to send, by destination broker and lane.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::lane::LANES;
use super::partition::Partition;

/// The partitions of one destination broker and lane that have something to send. A partition is in it at most once (its own
/// `ready` flag sees to that), so it holds no more entries than there are partitions.
#[derive(Debug, Default)]
pub struct ReadyQueue {
    partitions: Mutex<VecDeque<Arc<Partition>>>,
    wake: Notify,
}

impl ReadyQueue {
    /// Adds a partition at the end and wakes the appender.
    pub fn push(&self, partition: Arc<Partition>) {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).push_back(partition);
        self.wake.notify_one();
    }

    /// Takes all that are in it.
    #[must_use]
    pub fn take(&self) -> VecDeque<Arc<Partition>> {
        std::mem::take(&mut *self.partitions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what was taken and not served, before everything else.
    pub fn put_back(&self, rest: VecDeque<Arc<Partition>>) {
        if rest.is_empty() {
            return;
        }
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in rest.into_iter().rev() {
            partitions.push_front(partition);
        }
        drop(partitions);
        self.wake.notify_one();
    }

    /// Waits until something was pushed since the last call.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }
}

/// The queues of all destination brokers, one for each lane. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReadyBoard(Arc<Mutex<HashMap<i32, Lanes>>>);

type Lanes = [Arc<ReadyQueue>; LANES];

impl ReadyBoard {
    /// The queues of one broker, made when missing.
    #[must_use]
    pub fn lanes(&self, broker: i32) -> Lanes {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(broker).or_default().clone()
    }

    /// Adds a partition to the queue of its destination leader and lane.
    pub fn push(&self, partition: Arc<Partition>) {
        self.lanes(partition.destination_leader())[partition.lane()].push(partition);
    }
}
