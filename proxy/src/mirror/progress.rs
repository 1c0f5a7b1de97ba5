//! How far each partition is, shared between the engine that writes it and whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::on_the_way::OnTheWay;
use super::stop_waits::StopWaits;

/// Where one partition of a mirror topic is. Offsets are -1 while not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Next offset to append on the destination (its log end offset).
    pub log_end_offset: i64,
    /// High watermark of the source at the last fetch.
    pub source_high_watermark: i64,
    /// Last stable offset of the source at the last fetch: the mirror goes no further.
    pub source_last_stable_offset: i64,
    /// Offset asked for by the last fetch.
    pub last_fetch_offset: i64,
    /// When the last fetch was answered, in milliseconds since the epoch; 0 for never.
    pub last_fetch_ms: i64,
    /// What holds it up or made it fail; empty when nothing does.
    pub reason: String,
    /// The partition has failed.
    pub failed: bool,
    /// Batches appended by this process, filler included.
    pub appended_batches: i64,
    /// Their bytes.
    pub appended_bytes: i64,
    /// How often something was unclear and the register was read anew.
    pub restarts: i64,
    /// Offsets that hold nothing being covered with filler; `None` when none are.
    pub filling: Option<Filling>,
    /// The open transaction of the source that holds the partition back; `None` when none does.
    pub held: Option<Held>,
    /// Records without a key that were left out of a compacted topic, by this process.
    pub unkeyed_records: u64,
}

/// An open transaction on the source, behind which nothing is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its first offset: the source's last stable offset.
    pub offset: i64,
    /// Its producer; `None` until the source was asked.
    pub producer: Option<HoldingProducer>,
}

/// Who holds a partition back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldingProducer {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Timestamp of the transaction's first batch, in milliseconds since the epoch.
    pub since_ms: i64,
}

/// A run of offsets that is being covered with filler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// Where it began.
    pub from: i64,
    /// Where it ends: the first offset that is copied from the source.
    pub to: i64,
    /// When it began, in milliseconds since the epoch.
    pub since_ms: i64,
}

impl Filling {
    /// Milliseconds that the rest will take at the rate so far, with the log ending at `reached` at `now_ms`; `None`
    /// while there is no rate yet.
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
    /// Back to "not known", the counters aside: another attempt begins.
    pub fn forget_positions(&mut self) {
        let Self { appended_batches, appended_bytes, restarts, unkeyed_records, .. } = *self;
        *self = Self { appended_batches, appended_bytes, restarts, unkeyed_records, ..Self::default() };
    }

    /// An open transaction of the source, which begins at `offset`, holds the partition back.
    pub fn held_back_at(&mut self, offset: i64) {
        let held = self.held.filter(|held| held.offset == offset).unwrap_or(Held { offset, producer: None });
        self.held = Some(held);
        let behind = self.source_high_watermark.saturating_sub(offset);
        self.reason = match held.producer {
            None => format!("an open transaction on the source holds back {behind} offsets from {offset} on"),
            Some(HoldingProducer { id, epoch, since_ms }) => format!(
                "an open transaction of producer id {id} (epoch {epoch}) on the source, begun at {since_ms} ms, holds back {behind} offsets from {offset} on"
            ),
        };
    }

    /// Source high watermark minus local log end, in offsets; -1 before the first fetch.
    #[must_use]
    pub fn lag(&self) -> i64 {
        if self.source_high_watermark < 0 || self.log_end_offset < 0 {
            return -1;
        }
        self.source_high_watermark.saturating_sub(self.log_end_offset)
    }
}

/// One partition's entry, updated in place. It outlives the work on the partition, which begins anew when the topic
/// grows or is resumed.
#[derive(Debug, Clone, Default)]
pub struct ProgressCell {
    values: Arc<Mutex<PartitionProgress>>,
    on_the_way: OnTheWay,
}

impl ProgressCell {
    /// Its appends whose answers are still to come.
    #[must_use]
    pub fn on_the_way(&self) -> &OnTheWay {
        &self.on_the_way
    }

    /// A copy of the present values.
    #[must_use]
    pub fn get(&self) -> PartitionProgress {
        self.values().clone()
    }

    fn values(&self) -> MutexGuard<'_, PartitionProgress> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open transaction of the source that holds the partition back.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.values().held
    }

    /// Changes the values; `change` must not block.
    pub fn update(&self, change: impl FnOnce(&mut PartitionProgress)) {
        change(&mut self.values());
    }
}

/// All partitions of all mirror topics, and what holds up stops. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProgressTable {
    cells: Arc<Mutex<HashMap<String, Vec<ProgressCell>>>>,
    stops: StopWaits,
}

impl ProgressTable {
    /// What holds up stops.
    #[must_use]
    pub fn stops(&self) -> &StopWaits {
        &self.stops
    }

    /// The cells of one mirror topic, made when missing.
    #[must_use]
    pub fn topic(&self, topic: &str, partitions: u32) -> Vec<ProgressCell> {
        let mut all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = all.entry(topic.to_owned()).or_default();
        cells.resize_with(partitions as usize, ProgressCell::default);
        cells.clone()
    }

    /// The present values of one mirror topic, in partition order; empty when it is not known.
    #[must_use]
    pub fn of(&self, topic: &str) -> Vec<PartitionProgress> {
        let all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(topic).map(|cells| cells.iter().map(ProgressCell::get).collect()).unwrap_or_default()
    }

    /// Forgets a topic.
    pub fn remove(&self, topic: &str) {
        let mut all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = all.remove(topic);
        self.stops.clear(topic);
    }
}
