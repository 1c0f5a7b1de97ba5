//! Progress of each partition. The engine writes it; the admin API, metrics and commands read it.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

use crate::mirror::in_flight::OnTheWay;
use crate::mirror::stop_waits::StopWaits;

/// Progress of one partition of a mirror topic. Offsets are -1 while not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Next offset to append on the destination (its log end offset).
    pub log_end_offset: i64,
    /// High watermark of the source at the last fetch.
    pub source_high_watermark: i64,
    /// Last stable offset of the source at the last fetch. The mirror goes no further.
    pub source_last_stable_offset: i64,
    /// Offset of the last fetch.
    pub last_fetch_offset: i64,
    /// Time when the last fetch was answered, in milliseconds since the epoch; 0 for never.
    pub last_fetch_ms: i64,
    /// Reason for a delay or a failure; empty if there is none.
    pub reason: String,
    /// True if the partition has failed.
    pub failed: bool,
    /// Batches appended by this process, filler included.
    pub appended_batches: i64,
    /// Size of these batches, in bytes.
    pub appended_bytes: i64,
    /// Number of resets in this process.
    pub restarts: i64,
    /// Offset gap that is being filled; `None` if none is.
    pub filling: Option<Filling>,
    /// The open transaction of the source that holds the partition back; `None` when none does.
    pub held: Option<BlockingTransaction>,
    /// Number of records without a key that this process left out of a compacted topic.
    pub unkeyed_records: u64,
}

/// An open transaction on the source. Nothing behind its first offset is mirrored before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockingTransaction {
    /// First offset of the transaction: the source's last stable offset.
    pub offset: i64,
    /// Producer of the transaction; `None` until the source was asked.
    pub producer: Option<HoldingProducer>,
}

/// Producer whose open transaction holds a partition back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldingProducer {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Timestamp of the transaction's first batch, in milliseconds since the epoch.
    pub since_ms: i64,
}

/// An offset gap that is being covered with filler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// First offset of the gap.
    pub from: i64,
    /// End of the gap: the first offset that is copied from the source.
    pub to: i64,
    /// Time when the filling began, in milliseconds since the epoch.
    pub since_ms: i64,
}

impl Filling {
    /// Returns the milliseconds that the rest takes at the rate so far, if the log ends at `reached` at
    /// `now_ms`. Returns `None` while there is no rate yet.
    #[must_use]
    pub fn eta_ms(&self, reached: i64, now_ms: i64) -> Option<i64> {
        let (done, rest) = (reached.saturating_sub(self.from), self.to.saturating_sub(reached));
        let elapsed = now_ms.saturating_sub(self.since_ms);
        if done <= 0 || elapsed <= 0 {
            return None;
        }
        i64::try_from(i128::from(rest.max(0)) * i128::from(elapsed) / i128::from(done)).ok()
    }
}

impl Default for PartitionProgress {
    fn default() -> Self {
        PartitionProgress {
            log_end_offset: -1,
            source_high_watermark: -1,
            source_last_stable_offset: -1,
            last_fetch_offset: -1,
            last_fetch_ms: 0,
            reason: String::new(),
            failed: false,
            appended_batches: 0,
            appended_bytes: 0,
            restarts: 0,
            filling: None,
            held: None,
            unkeyed_records: 0,
        }
    }
}

impl PartitionProgress {
    /// Sets everything but the counters to "not known", since work on the topic begins again.
    pub fn forget_positions(&mut self) {
        let Self { appended_batches, appended_bytes, restarts, unkeyed_records, .. } = *self;
        *self = Self { appended_batches, appended_bytes, restarts, unkeyed_records, ..Self::default() };
    }

    /// Records that an open transaction of the source, which begins at `offset`, holds the partition back.
    pub fn held_back_at(&mut self, offset: i64) {
        let held = self
            .held
            .filter(|held| held.offset == offset)
            .unwrap_or(BlockingTransaction { offset, producer: None });
        self.held = Some(held);
        let behind = self.source_high_watermark.saturating_sub(offset);
        self.reason = match held.producer {
            None => format!("an open transaction on the source holds back {behind} offsets from {offset} on"),
            Some(HoldingProducer { id, epoch, since_ms }) => format!(
                "an open transaction of producer id {id} (epoch {epoch}) on the source, begun at {since_ms} ms, holds back {behind} offsets from {offset} on"
            ),
        };
    }

    /// Returns the source high watermark minus the destination's log end, in offsets; -1 before the first
    /// fetch.
    #[must_use]
    pub fn lag(&self) -> i64 {
        if self.source_high_watermark < 0 || self.log_end_offset < 0 {
            return -1;
        }
        self.source_high_watermark.saturating_sub(self.log_end_offset)
    }
}

/// Progress of one partition, updated in place. It outlives the work on the partition, which begins again
/// when the topic grows or is resumed.
#[derive(Debug, Clone, Default)]
pub struct ProgressCell {
    values: Arc<Mutex<PartitionProgress>>,
    on_the_way: OnTheWay,
}

impl ProgressCell {
    /// Returns the appends of the partition that are in flight.
    #[must_use]
    pub fn on_the_way(&self) -> &OnTheWay {
        &self.on_the_way
    }

    /// Returns a copy of the current values.
    #[must_use]
    pub fn get(&self) -> PartitionProgress {
        self.values().clone()
    }

    fn values(&self) -> MutexGuard<'_, PartitionProgress> {
        self.values.lock()
    }

    /// Returns the open transaction of the source that holds the partition back; `None` if none does.
    #[must_use]
    pub fn held(&self) -> Option<BlockingTransaction> {
        self.values().held
    }

    /// Changes the values. `change` must not block, since it runs under the lock.
    pub fn update(&self, change: impl FnOnce(&mut PartitionProgress)) {
        change(&mut self.values());
    }
}

/// Progress of all partitions of all mirror topics, and what holds up stops. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProgressTable {
    cells: Arc<Mutex<HashMap<String, Vec<ProgressCell>>>>,
    stops: StopWaits,
}

impl ProgressTable {
    /// Returns what holds up stops.
    #[must_use]
    pub fn stops(&self) -> &StopWaits {
        &self.stops
    }

    /// Returns the cells of one mirror topic. Creates them if missing.
    #[must_use]
    pub fn topic(&self, topic: &str, partitions: u32) -> Vec<ProgressCell> {
        let mut all = self.cells.lock();
        let cells = all.entry(topic.to_owned()).or_default();
        cells.resize_with(partitions as usize, ProgressCell::default);
        cells.clone()
    }

    /// Returns the current values of one mirror topic, in partition order; empty if the topic is not known.
    #[must_use]
    pub fn of(&self, topic: &str) -> Vec<PartitionProgress> {
        let all = self.cells.lock();
        all.get(topic).map(|cells| cells.iter().map(ProgressCell::get).collect()).unwrap_or_default()
    }

    /// Removes a topic.
    pub fn remove(&self, topic: &str) {
        let mut all = self.cells.lock();
        let _ = all.remove(topic);
        self.stops.clear(topic);
    }
}
