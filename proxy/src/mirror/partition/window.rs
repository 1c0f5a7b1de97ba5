//! What lies between fetch and acknowledged append. Pure: no lock, and the clock is the caller's.
//!
//! Batches enter in offset order without gap or overlap (`batch-is-next`), leave in that order, and are acknowledged in
//! that order at exactly their offsets (`landed-where-intended`). Any rule broken is returned, never repaired.

use std::collections::VecDeque;
use std::time::Duration;

use state::invariant::{self, Broken};
use tokio::time::Instant;

use super::Failure;
use super::epochs::Epochs;
use crate::mirror::shape::{MAX_FILLER_OFFSETS, Piece, Run, Shaped, ShapedRun};

/// An offset that is not known.
const UNKNOWN: i64 = -1;
/// So long after it said so last, the broker is taken to know the producer id. It forgets ids by the largest timestamp of their last
/// batch, so that of old records at its next check, which may come at any moment ([ADR 0026](adr/)).
const ARMED_FOR: Duration = Duration::from_millis(200);
/// After so long without an answer, another Linkgate may have ended the mirror, and the broker may soon forget the fence that it wrote:
/// `producer.id.expiration.ms`, a day unless set otherwise. So the log is looked at before anything is sent.
const TRUSTED_FOR: Duration = Duration::from_secs(60 * 60);

/// One attempt's batches and positions.
#[derive(Debug)]
pub(super) struct Window {
    /// Counts restarts; answers to an earlier one are void.
    pub(super) attempt: u64,
    /// Next source offset to fetch: end of everything queued.
    pub(super) next_fetch: i64,
    /// Log end on the destination as far as acknowledged.
    pub(super) acknowledged: i64,
    /// Bytes queued and in flight.
    pub(super) bytes: usize,
    /// Timestamp of the last real record queued; -1 when not known.
    pub(super) last_timestamp: i64,
    /// Leader epoch of the last source batch queued; -1 when not known.
    pub(super) last_fetched_epoch: i32,
    /// Fails once everything before it is acknowledged.
    pub(super) fails_after_drain: Option<Failure>,
    /// When the broker was last known to know the producer id, and so to refuse whatever is out of sequence. Without that it accepts
    /// anything, and only one batch may be on its way: behind a refused one, the next would land at its offset.
    armed_at: Option<Instant>,
    /// When the broker last said where the log ends.
    confirmed_at: Option<Instant>,
    /// Size of the largest batch that the destination took in this attempt, in bytes. A larger one may be refused for its size, so
    /// nothing is sent behind it before it is acknowledged.
    pub(super) largest_taken: usize,
    /// Most offsets of one filler batch.
    pub(super) filler_offsets: i64,
    /// Leader epochs of what was copied: outlive restarts, so that a source that was truncated meanwhile is noticed.
    epochs: Epochs,
    queue: VecDeque<Piece>,
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    base_offset: i64,
    next_offset: i64,
    epoch: i32,
    /// What it counts for in the byte budget.
    bytes: usize,
    /// Its size on the wire.
    size: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Window {
            attempt: 0,
            next_fetch: UNKNOWN,
            acknowledged: UNKNOWN,
            bytes: 0,
            last_timestamp: -1,
            last_fetched_epoch: -1,
            fails_after_drain: None,
            armed_at: None,
            confirmed_at: None,
            largest_taken: 0,
            filler_offsets: MAX_FILLER_OFFSETS,
            epochs: Epochs::default(),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// Begins at `next`, with nothing queued. `armed`: the broker says that it knows the producer id.
    pub(super) fn begin(&mut self, next: i64, armed: bool, now: Instant) {
        self.next_fetch = next;
        self.acknowledged = next;
        self.armed_at = armed.then_some(now);
        self.confirmed_at = Some(now);
        self.last_fetched_epoch = self.epochs.before(next);
        self.epochs.cut(next);
    }

    /// A new attempt with nothing queued or in flight. Positions are no longer known. Returns the bytes given up.
    pub(super) fn restart(&mut self) -> usize {
        let (bytes, attempt, filler_offsets) = (self.bytes, self.attempt + 1, self.filler_offsets);
        let mut epochs = std::mem::take(&mut self.epochs);
        // They may have landed.
        self.in_flight.iter().for_each(|sent| epochs.add(sent.base_offset, sent.next_offset, sent.epoch));
        *self = Window { attempt, filler_offsets, epochs, ..Window::new() };
        bytes
    }

    /// As [`Window::restart`], but the acknowledged log end still stands. Returns the bytes given up.
    pub(super) fn abandon(&mut self) -> usize {
        let (acknowledged, timestamp) = (self.acknowledged, self.last_timestamp);
        let bytes = self.restart();
        self.acknowledged = acknowledged;
        self.last_timestamp = timestamp;
        bytes
    }

    /// The leader epoch of the last copied batch, learnt from the source; nothing may be queued yet.
    pub(super) fn learn_epoch(&mut self, epoch: i32) {
        if self.next_fetch == self.acknowledged {
            self.last_fetched_epoch = self.last_fetched_epoch.max(epoch);
            self.epochs.learn(self.next_fetch, self.last_fetched_epoch);
        }
    }

    /// Nothing is queued or in flight, and the source cannot place the epoch of the last copied batch.
    pub(super) fn forget_epoch(&mut self) {
        self.last_fetched_epoch = -1;
        self.epochs = Epochs::default();
    }

    /// Queues what a fetch brought. Returns the bytes taken.
    pub(super) fn push(&mut self, run: ShapedRun) -> Result<usize, Broken> {
        let mut taken = 0;
        for piece in run.pieces {
            taken += self.queue_up(piece)?;
        }
        self.last_timestamp = run.last_timestamp;
        if run.last_epoch >= 0 {
            self.last_fetched_epoch = run.last_epoch;
        }
        self.fails_after_drain = run.stop;
        Ok(taken)
    }

    /// Queues a run of offsets that hold nothing, up to `to`. Returns the bytes taken.
    pub(super) fn fill_to(&mut self, to: i64) -> Result<usize, Broken> {
        let run = Run { from: self.next_fetch, to, timestamp: -1, epoch: -1 };
        // The source cannot place an epoch that ended below its log start.
        self.last_fetched_epoch = -1;
        self.queue_up(Piece::Nothing(run))
    }

    fn queue_up(&mut self, piece: Piece) -> Result<usize, Broken> {
        invariant::batch_is_next(self.next_fetch, piece.base_offset())?;
        self.next_fetch = piece.next_offset();
        let bytes = piece.size();
        self.bytes += bytes;
        self.queue.push_back(piece);
        Ok(bytes)
    }

    /// Whether the log may have another end by now than was confirmed last.
    pub(super) fn is_outdated(&self, now: Instant) -> bool {
        self.in_flight.is_empty()
            && self.confirmed_at.is_some_and(|at| now.saturating_duration_since(at) >= TRUSTED_FOR)
    }

    /// Whether [`Window::take`] has something.
    pub(super) fn may_send(&self, now: Instant) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let Some(last) = self.in_flight.back() else { return true };
        let is_armed = self.armed_at.is_some_and(|at| now.saturating_duration_since(at) < ARMED_FOR);
        is_armed && last.size <= self.largest_taken
    }

    /// The next batch to send; of a run, the next filler batch, under this producer id.
    pub(super) fn take(&mut self, producer_id: i64, now: Instant) -> Option<Shaped> {
        if !self.may_send(now) {
            return None;
        }
        let (batch, bytes) = match self.queue.pop_front()? {
            Piece::Batch(batch) => {
                let bytes = batch.size();
                (batch, bytes)
            }
            Piece::Nothing(mut run) => {
                let filler = run.next_filler(producer_id, self.filler_offsets);
                // The run's own share is given back with its last batch.
                let rest = Piece::Nothing(run);
                let bytes = if run.from < run.to {
                    self.queue.push_front(rest);
                    0
                } else {
                    rest.size()
                };
                (filler, bytes)
            }
        };
        self.in_flight.push_back(InFlight {
            base_offset: batch.base_offset,
            next_offset: batch.next_offset,
            epoch: batch.epoch,
            bytes,
            size: batch.size(),
        });
        Some(batch)
    }

    /// The batch for `intended` stands at `landed`. Returns the bytes given back.
    pub(super) fn acknowledge(&mut self, intended: i64, landed: i64, now: Instant) -> Result<usize, Broken> {
        invariant::landed_where_intended(intended, landed)?;
        let Some(batch) = self.in_flight.pop_front() else { return Ok(0) };
        invariant::batch_is_next(batch.base_offset, intended)?;
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        self.acknowledged = batch.next_offset;
        self.epochs.add(batch.base_offset, batch.next_offset, batch.epoch);
        self.armed_at = Some(now);
        self.confirmed_at = Some(now);
        self.largest_taken = self.largest_taken.max(batch.size);
        Ok(batch.bytes)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }
}
