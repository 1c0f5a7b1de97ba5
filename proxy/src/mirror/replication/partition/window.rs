//! The window of a partition: what lies between fetch and acknowledged append. Pure: it has no lock, and the
//! caller passes the time.
//!
//! Batches enter in offset order without gap or overlap (`batch-is-next`), leave in that order, and are
//! acknowledged in that order at exactly their offsets (`landed-where-intended`). A broken rule is returned
//! to the caller, never repaired.

use std::collections::VecDeque;
use std::time::Duration;

use state::invariant::{self, Broken};
use tokio::time::Instant;

use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::epochs::Epochs;
use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::shape::{MAX_FILLER_OFFSETS, OffsetGap, Piece, ShapeOutput, Shaped};

/// Value of an offset that is not known.
const UNKNOWN: i64 = -1;
/// Time for which the broker is taken to know the producer id after it last confirmed that. Brokers forget an
/// id by the largest timestamp of its last batch: an id with old records goes at the next check, which may
/// come at any moment ([ADR 0026](adr/)).
const PRODUCER_KNOWN_FOR: Duration = Duration::from_millis(200);
/// Time without an answer after which the append position is recovered before anything is sent. Another
/// Linkgate may have ended the mirror meanwhile, and the broker forgets that one's fence after
/// `producer.id.expiration.ms`, a day by default.
const TRUSTED_FOR: Duration = Duration::from_secs(60 * 60);

/// Batches and positions of one attempt.
#[derive(Debug)]
pub(crate) struct Window {
    /// Number of the attempt. Answers to an earlier one are ignored.
    pub(crate) attempt: Attempt,
    /// Next source offset to fetch: the end of everything queued.
    pub(crate) next_fetch: i64,
    /// Destination log end offset, as far as acknowledged.
    pub(crate) acknowledged: i64,
    /// Bytes queued and in flight.
    pub(crate) bytes: usize,
    /// Timestamp of the last real record queued; -1 if not known.
    pub(crate) last_timestamp: i64,
    /// Leader epoch of the last source batch queued; -1 if not known.
    pub(crate) last_fetched_epoch: i32,
    /// Failure that takes effect once everything before it is acknowledged.
    pub(crate) fails_after_drain: Option<PartitionFailure>,
    /// When the broker last confirmed that it knows the producer id, and so refuses every batch that is out
    /// of sequence. A broker that does not know it accepts any batch. Then only one batch may be in flight:
    /// behind a refused one, the next would land at its offset.
    producer_known_at: Option<Instant>,
    /// When the broker last confirmed the log end offset.
    confirmed_at: Option<Instant>,
    /// Size of the largest batch that the destination took in this attempt, in bytes. A larger one may be
    /// refused for its size, so nothing is sent behind it until it is acknowledged.
    pub(crate) largest_taken: usize,
    /// Maximum number of offsets in one filler batch.
    pub(crate) filler_offsets: i64,
    /// Leader epochs of what was copied. They outlive resets, so that a truncation of the source during one
    /// is noticed.
    epochs: Epochs,
    queue: VecDeque<Piece>,
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    base_offset: i64,
    next_offset: i64,
    epoch: i32,
    /// Bytes that the batch charges to the byte budget.
    bytes: usize,
    /// Size on the wire, in bytes.
    size: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Window {
            attempt: Attempt::FIRST,
            next_fetch: UNKNOWN,
            acknowledged: UNKNOWN,
            bytes: 0,
            last_timestamp: -1,
            last_fetched_epoch: -1,
            fails_after_drain: None,
            producer_known_at: None,
            confirmed_at: None,
            largest_taken: 0,
            filler_offsets: MAX_FILLER_OFFSETS,
            epochs: Epochs::default(),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// Begins at the append position `next`, with nothing queued. `producer_known`: the broker knows the producer id.
    pub(crate) fn begin(&mut self, next: i64, producer_known: bool, now: Instant) {
        self.next_fetch = next;
        self.acknowledged = next;
        self.producer_known_at = producer_known.then_some(now);
        self.confirmed_at = Some(now);
        self.last_fetched_epoch = self.epochs.before(next);
        self.epochs.cut(next);
    }

    /// Begins a new attempt with nothing queued or in flight and with unknown positions. Returns the bytes
    /// given up.
    pub(crate) fn restart(&mut self) -> usize {
        let (bytes, attempt, filler_offsets) = (self.bytes, self.attempt.next(), self.filler_offsets);
        let mut epochs = std::mem::take(&mut self.epochs);
        // These batches may have been appended.
        self.in_flight.iter().for_each(|sent| epochs.add(sent.base_offset, sent.next_offset, sent.epoch));
        *self = Window { attempt, filler_offsets, epochs, ..Window::new() };
        bytes
    }

    /// Begins a new attempt like [`Window::restart`], but keeps the acknowledged log end. Returns the bytes
    /// given up.
    pub(crate) fn abandon(&mut self) -> usize {
        let (acknowledged, timestamp) = (self.acknowledged, self.last_timestamp);
        let bytes = self.restart();
        self.acknowledged = acknowledged;
        self.last_timestamp = timestamp;
        bytes
    }

    /// Takes the leader epoch of the last copied batch from the source. Does nothing if something is queued
    /// already.
    pub(crate) fn learn_epoch(&mut self, epoch: i32) {
        if self.next_fetch == self.acknowledged {
            self.last_fetched_epoch = self.last_fetched_epoch.max(epoch);
            self.epochs.learn(self.next_fetch, self.last_fetched_epoch);
        }
    }

    /// Forgets all epochs: the source does not know the epoch of the last copied batch. Nothing may be queued
    /// or in flight.
    pub(crate) fn forget_epoch(&mut self) {
        self.last_fetched_epoch = -1;
        self.epochs = Epochs::default();
    }

    /// Queues what a fetch brought, or nothing of it. Returns the bytes to charge to the budget.
    pub(crate) fn push(&mut self, run: ShapeOutput) -> Result<usize, Broken> {
        let mut next = self.next_fetch;
        for piece in &run.pieces {
            invariant::batch_is_next(next, piece.base_offset())?;
            next = piece.next_offset();
        }
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

    /// Queues an offset gap up to `to`. Returns the bytes to charge to the budget.
    pub(crate) fn fill_to(&mut self, to: i64) -> Result<usize, Broken> {
        let run = OffsetGap { from: self.next_fetch, to, timestamp: -1, epoch: -1 };
        // The source does not know an epoch that ended below its log start.
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

    /// Returns true if the log end may have changed since it was last confirmed.
    pub(crate) fn is_outdated(&self, now: Instant) -> bool {
        self.in_flight.is_empty()
            && self.confirmed_at.is_some_and(|at| now.saturating_duration_since(at) >= TRUSTED_FOR)
    }

    /// Returns true if [`Window::take`] has a batch to send.
    pub(crate) fn may_send(&self, now: Instant) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let Some(last) = self.in_flight.back() else { return true };
        let is_armed =
            self.producer_known_at.is_some_and(|at| now.saturating_duration_since(at) < PRODUCER_KNOWN_FOR);
        is_armed && last.size <= self.largest_taken
    }

    /// Takes the next batch to send. From an offset gap it takes the next filler batch, with this producer
    /// id.
    pub(crate) fn take(&mut self, producer_id: i64, now: Instant) -> Option<Shaped> {
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
                // The last batch of the gap gives back the gap's own share of the budget.
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

    /// Acknowledges the batch for offset `intended`, which was appended at `landed`. Returns the bytes to
    /// give back.
    pub(crate) fn acknowledge(&mut self, intended: i64, landed: i64, now: Instant) -> Result<usize, Broken> {
        invariant::landed_where_intended(intended, landed)?;
        let Some(batch) = self.in_flight.pop_front() else { return Ok(0) };
        invariant::batch_is_next(batch.base_offset, intended)?;
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        self.acknowledged = batch.next_offset;
        self.epochs.add(batch.base_offset, batch.next_offset, batch.epoch);
        self.producer_known_at = Some(now);
        self.confirmed_at = Some(now);
        self.largest_taken = self.largest_taken.max(batch.size);
        Ok(batch.bytes)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }
}
