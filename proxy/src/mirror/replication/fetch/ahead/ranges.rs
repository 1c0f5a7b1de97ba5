//! The ranges of one partition that are asked for ahead of its next offset. Pure.
//!
//! A range begins at a guessed offset and has a size in bytes. The source sends whole batches, beginning with
//! the one that holds the offset, so ranges overlap or leave holes between them. A hole is asked for as soon
//! as it is seen. What overlaps is dropped when the pieces are put in order ([`Ranges::take`]).
//!
//! Nothing is judged here: a piece goes to the same code as the answer of an ordinary fetch, in offset order.
//! But an ordinary fetch names the epoch of the last copied record, and the source compares it with its log
//! (KIP-595). A range ahead cannot, so the pieces are compared with each other ([`continues`]).

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::PartitionData;

use crate::mirror::replication::byte_budget::Reserved;
use crate::mirror::replication::fetch::extent::{Extent, headers};

/// Share of a range's bytes after which the next range is guessed to begin. The rest is overlap, for records
/// that are smaller than those before.
const STEP: f64 = 0.96;
/// Maximum number of ranges, for a source that answers with very little.
const MAX_RANGES: usize = 1024;
/// Bytes asked for in addition to the estimated size of a hole.
const HOLE_MARGIN: usize = 64 * 1024;

/// A range to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Offset from which to fetch.
    pub(crate) from: i64,
    /// Maximum bytes of the answer.
    pub(crate) max_bytes: usize,
    /// Offset up to which the answer is expected to reach.
    to: i64,
}

#[derive(Debug)]
struct Range {
    ask: Ask,
    /// Bytes of the budget that the range uses.
    reserved: Reserved,
    held: Option<Held>,
}

/// The answer for a range.
#[derive(Debug)]
struct Held {
    data: PartitionData,
    records: Bytes,
    /// Last offset + 1 of its last whole batch.
    end: i64,
}

impl Range {
    /// Returns the offset up to which the range reaches, or is expected to reach.
    fn end(&self) -> i64 {
        self.held.as_ref().map_or(self.ask.to, |held| held.end)
    }
}

/// What [`Ranges::take`] found for an offset.
#[derive(Debug)]
pub(crate) enum Next {
    /// The answer that continues at the offset.
    Data(Box<PartitionData>),
    /// The answer is under way, or is not asked for yet.
    Wait,
    /// An answer is there, but it does not show that it belongs to the same log as what was copied. An
    /// ordinary fetch finds out.
    Unproven,
}

/// Returns true if the records show that they belong to the log of which the record before `next` was copied,
/// with leader epoch `epoch`. Two logs that have a record of the same epoch at one offset are the same up to
/// there (KIP-101). So it is shown by the batch that holds `next`, if it has that epoch: then one leader wrote
/// both. And by the batch that holds the offset before.
fn continues(records: &[u8], next: i64, epoch: i32) -> bool {
    let mut before = None;
    for header in headers(records) {
        if header.last_offset() >= next {
            let holds_both = header.base_offset < next;
            return header.partition_leader_epoch == epoch || (!holds_both && before == Some(epoch));
        }
        before = (header.last_offset() == next - 1).then_some(header.partition_leader_epoch);
    }
    false
}

/// The ranges, in the order of their offsets.
#[derive(Debug)]
pub(crate) struct Ranges {
    ranges: VecDeque<Range>,
    /// The last answer, for estimates.
    seen: Extent,
    /// Offset up to which the source is known to have committed records.
    limit: i64,
}

impl Ranges {
    /// Begins with nothing asked for. `seen` is the last answer, `limit` the source's last stable offset.
    pub(crate) fn new(seen: Extent, limit: i64) -> Self {
        Ranges { ranges: VecDeque::new(), seen, limit }
    }

    /// Returns true if nothing is asked for or held.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the bytes asked for and held.
    pub(crate) fn bytes(&self) -> usize {
        self.ranges.iter().map(|range| range.reserved.bytes()).sum()
    }

    /// Returns the range to ask for next, of at most `max_bytes`, if the next offset to copy is `next`: the
    /// first hole, or what follows the last range. Returns `None` if everything is asked for, or if so little
    /// is left that an ordinary fetch brings it.
    pub(crate) fn next_ask(&self, next: i64, max_bytes: usize) -> Option<Ask> {
        let mut covered = next;
        let is_full = self.ranges.len() >= MAX_RANGES;
        for range in &self.ranges {
            if range.ask.from > covered {
                let wanted = self.seen.bytes_of(range.ask.from - covered).saturating_add(HOLE_MARGIN);
                let ask = Ask { from: covered, max_bytes: wanted.min(max_bytes), to: range.ask.from };
                // Nothing goes on without the range at the next offset.
                return (!is_full || covered == next).then_some(ask);
            }
            covered = covered.max(range.end());
        }
        let left = self.limit.saturating_sub(covered);
        let step = self.seen.offsets_in(max_bytes, STEP);
        // The last range may be small, but not each one of a trickle.
        let is_worthwhile = if self.ranges.is_empty() { left > step / 2 } else { left > step / 8 };
        (is_worthwhile && !is_full).then(|| Ask {
            from: covered,
            max_bytes,
            to: covered.saturating_add(step),
        })
    }

    /// Notes that `ask` is under way.
    pub(crate) fn asked(&mut self, ask: Ask, reserved: Reserved) {
        let at = self.ranges.partition_point(|range| range.ask.from < ask.from);
        self.ranges.insert(at, Range { ask, reserved, held: None });
    }

    /// Forgets a range that brought nothing. [`Ranges::next_ask`] asks for it again.
    pub(crate) fn failed(&mut self, ask: Ask) {
        self.ranges.retain(|range| range.held.is_some() || range.ask.from != ask.from);
    }

    /// Takes the answer for `ask`. Returns false, and forgets the range, if it has no whole batch that reaches
    /// beyond the asked offset.
    pub(crate) fn answered(&mut self, ask: Ask, mut data: PartitionData) -> bool {
        self.limit = self.limit.max(data.last_stable_offset);
        let records = data.records.take().unwrap_or_default();
        let extent = Extent::of(&records).filter(|extent| extent.end > ask.from);
        let waiting = |range: &&mut Range| range.held.is_none() && range.ask.from == ask.from;
        let (Some(extent), Some(range)) = (extent, self.ranges.iter_mut().find(waiting)) else {
            self.failed(ask);
            return false;
        };
        range.reserved.resize(records.len());
        range.held = Some(Held { data, records, end: extent.end });
        self.seen = extent;
        true
    }

    /// Returns the answer that continues at `next`, and drops what lies below. `epoch` is the leader epoch of
    /// the last copied record.
    pub(crate) fn take(&mut self, next: i64, epoch: i32) -> Next {
        self.ranges.retain(|range| range.held.is_none() || range.end() > next);
        let there = |range: &&Range| range.held.is_some() && range.ask.from <= next;
        let Some(held) = self.ranges.iter().find(there).and_then(|range| range.held.as_ref()) else {
            return Next::Wait;
        };
        if !continues(&held.records, next, epoch) {
            return Next::Unproven;
        }
        Next::Data(Box::new(held.data.clone().with_records(Some(held.records.clone()))))
    }
}

#[cfg(test)]
mod tests;
