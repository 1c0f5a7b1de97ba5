use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::mirror::replication::byte_budget::ByteBudget;

/// One batch of a source log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    base: i64,
    last: i64,
    epoch: i32,
    size: usize,
}

/// Returns a batch with a header, and with nothing but zeros behind it.
fn encoded(batch: &Batch) -> Bytes {
    let mut bytes = BytesMut::zeroed(batch.size.max(61));
    let length = i32::try_from(bytes.len() - 12).unwrap();
    let delta = i32::try_from(batch.last - batch.base).unwrap();
    bytes[0..8].copy_from_slice(&batch.base.to_be_bytes());
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[12..16].copy_from_slice(&batch.epoch.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&delta.to_be_bytes());
    bytes[57..61].copy_from_slice(&(delta + 1).to_be_bytes());
    bytes.freeze()
}

fn decoded(records: &[u8]) -> Vec<Batch> {
    headers(records)
        .map(|header| Batch {
            base: header.base_offset,
            last: header.last_offset(),
            epoch: header.partition_leader_epoch,
            size: header.total_len(),
        })
        .collect()
}

/// Returns what a broker with this log sends from `from` on: whole batches, then possibly a part of one. At
/// least one batch is whole.
fn answer(log: &[Batch], from: i64, max_bytes: usize) -> PartitionData {
    let mut records = BytesMut::new();
    for batch in log.iter().filter(|batch| batch.last >= from) {
        let bytes = encoded(batch);
        let room = max_bytes.saturating_sub(records.len());
        if records.is_empty() || bytes.len() <= room {
            records.extend_from_slice(&bytes);
        } else {
            records.extend_from_slice(&bytes[..room]);
            break;
        }
    }
    PartitionData::default()
        .with_last_stable_offset(log.last().map_or(0, |batch| batch.last + 1))
        .with_records(Some(records.freeze()))
}

fn seen(bytes: usize, offsets: i64) -> Extent {
    Extent { first: 0, end: offsets, bytes, last_epoch: 0 }
}

fn reserved(bytes: usize) -> Reserved {
    Arc::new(ByteBudget::new(usize::MAX)).reserve(bytes).unwrap()
}

fn log_of(batches: &[(i64, i64, i32)]) -> Vec<Batch> {
    batches
        .iter()
        .map(|(base, last, epoch)| Batch { base: *base, last: *last, epoch: *epoch, size: 100 })
        .collect()
}

#[test]
fn ranges_follow_each_other_and_a_hole_comes_first() {
    let mut ranges = Ranges::new(seen(1_000, 100), 10_000);
    let ask = |ranges: &mut Ranges| {
        let ask = ranges.next_ask(100, 1_000).unwrap();
        ranges.asked(ask, reserved(ask.max_bytes));
        ask
    };
    let first = ask(&mut ranges);
    let second = ask(&mut ranges);
    assert_eq!((first.from, second.from), (100, 196));
    // The first answer is shorter than it was guessed.
    assert!(ranges.answered(first, answer(&log_of(&[(100, 149, 0)]), 100, 1_000)));
    let hole = ask(&mut ranges);
    assert_eq!((hole.from, hole.to), (150, 196));
    assert!(ranges.answered(hole, answer(&log_of(&[(150, 199, 0)]), 150, 1_000)));
    assert_eq!(ask(&mut ranges).from, second.to);
    // A range that is lost is asked for again.
    ranges.failed(second);
    assert_eq!(ask(&mut ranges).from, 200);
}

#[test]
fn an_answer_without_a_whole_batch_beyond_its_offset_ends_the_catch_up() {
    let mut ranges = Ranges::new(seen(1_000, 100), 10_000);
    let ask = ranges.next_ask(100, 1_000).unwrap();
    ranges.asked(ask, reserved(ask.max_bytes));
    assert!(!ranges.answered(ask, PartitionData::default()));
    assert!(ranges.is_empty());
    ranges.asked(ask, reserved(ask.max_bytes));
    assert!(!ranges.answered(ask, answer(&log_of(&[(90, 99, 0)]), 90, 1_000)));
}

#[test]
fn little_backlog_is_left_to_an_ordinary_fetch() {
    let ranges = Ranges::new(seen(1_000, 100), 10_000);
    assert!(ranges.next_ask(9_000, 1_000).is_some());
    assert!(ranges.next_ask(9_990, 1_000).is_none());
    assert!(ranges.next_ask(20_000, 1_000).is_none());
}

#[test]
fn a_record_proves_its_log_by_its_epoch_or_by_the_record_before_it() {
    let proven = |log: &[(i64, i64, i32)], next, epoch| {
        let log: Vec<u8> = log_of(log).iter().flat_map(|batch| encoded(batch).to_vec()).collect();
        continues(&log, next, epoch)
    };
    // The same leader wrote it.
    assert!(proven(&[(10, 19, 3)], 10, 3));
    assert!(proven(&[(10, 19, 3)], 15, 3));
    assert!(proven(&[(12, 19, 3)], 10, 3), "a log cleaner left a gap");
    // Another one did, behind the same record.
    assert!(proven(&[(5, 9, 3), (10, 19, 4)], 10, 3));
    assert!(!proven(&[(10, 19, 4)], 10, 3));
    assert!(!proven(&[(5, 9, 4), (10, 19, 4)], 10, 3), "the record before is another one");
    assert!(!proven(&[(5, 7, 3), (8, 19, 4)], 10, 3), "the record before is another one");
    assert!(!proven(&[(5, 8, 3), (10, 19, 4)], 10, 3), "nothing is known about the offset before");
    assert!(!proven(&[(5, 9, 3)], 10, 3), "nothing is there");
}

#[test]
fn the_bytes_of_a_range_are_given_back() {
    let budget = Arc::new(ByteBudget::new(10_000));
    let mut ranges = Ranges::new(seen(1_000, 100), 10_000);
    let ask = ranges.next_ask(100, 4_000).unwrap();
    ranges.asked(ask, budget.reserve(ask.max_bytes).unwrap());
    assert!(budget.reserve(2_000).is_none(), "half of the budget is left to ordinary fetches");
    assert!(ranges.answered(ask, answer(&log_of(&[(100, 200, 0)]), 100, 4_000)));
    assert_eq!(ranges.bytes(), 100);
    assert!(budget.reserve(4_900).is_some());
    assert!(matches!(ranges.take(201, 0), Next::Wait));
    assert_eq!(ranges.bytes(), 0);
    assert!(budget.reserve(5_000).is_some());
}

/// A source whose log may lose its end and go on otherwise, and what was copied of it.
struct World {
    random: u64,
    /// The present log, and those before it.
    logs: Vec<Vec<Batch>>,
    copied: Vec<Batch>,
    next: i64,
    epoch: i32,
    under_way: Vec<Ask>,
}

impl World {
    fn below(&mut self, most: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most.max(1)
    }

    fn signed_below(&mut self, most: u64) -> i64 {
        i64::try_from(self.below(most)).unwrap()
    }

    fn log(&self) -> &[Batch] {
        self.logs.last().unwrap()
    }

    /// Appends batches of random sizes, sometimes with gaps, as a log cleaner leaves them.
    fn append(&mut self, log: &mut Vec<Batch>, count: u64, mut epoch: i32) {
        for _ in 0..count {
            let gap = if self.below(10) == 0 { self.signed_below(30) } else { 0 };
            let base = log.last().map_or(0, |batch| batch.last + 1) + gap;
            if self.below(40) == 0 {
                epoch += 1;
            }
            let last = base + self.signed_below(20);
            let size = 61 + usize::try_from(self.below(400)).unwrap();
            log.push(Batch { base, last, epoch, size });
        }
    }

    /// The log loses its end, and a new leader goes on.
    fn diverge(&mut self) {
        let mut log = self.log().to_vec();
        let highest = log.iter().map(|batch| batch.epoch).max().unwrap_or(0);
        let kept = usize::try_from(self.below(log.len() as u64)).unwrap();
        let lost = (log.len() - kept) as u64;
        log.truncate(kept);
        self.append(&mut log, lost + 20, highest + 1);
        self.logs.push(log);
    }

    fn copy(&mut self, data: &PartitionData) {
        for batch in decoded(data.records.as_deref().unwrap_or_default()) {
            if batch.last >= self.next {
                (self.next, self.epoch) = (batch.last + 1, batch.epoch);
                self.copied.push(batch);
            }
        }
    }

    /// An ordinary fetch. Returns false if the source reports that the logs have diverged: the last copied
    /// epoch ends earlier there.
    fn ordinary(&mut self) -> bool {
        let end =
            self.log().iter().filter(|batch| batch.epoch <= self.epoch).map(|batch| batch.last + 1).max();
        let is_known = self.log().iter().any(|batch| batch.epoch == self.epoch);
        if !self.copied.is_empty() && (!is_known || end.unwrap_or(0) < self.next) {
            return false;
        }
        let data = answer(self.log(), self.next, 1_500);
        self.copy(&data);
        true
    }

    /// Lets everything happen in any order. Returns false if the source reported that the logs have diverged.
    fn run(&mut self, diverges: bool) -> bool {
        if !self.ordinary() {
            return false;
        }
        let end = |world: &World| world.log().last().map_or(0, |batch| batch.last + 1);
        let mut ranges = Ranges::new(seen(2_000, 100), end(self));
        for _ in 0..5_000 {
            match self.below(if diverges { 200 } else { 199 }) {
                0..80 => {
                    if let Some(ask) = ranges.next_ask(self.next, 2_000).filter(|_| self.under_way.len() < 8)
                    {
                        ranges.asked(ask, reserved(ask.max_bytes));
                        self.under_way.push(ask);
                    }
                }
                80..130 if !self.under_way.is_empty() => {
                    let at = usize::try_from(self.below(self.under_way.len() as u64)).unwrap();
                    let ask = self.under_way.swap_remove(at);
                    if !ranges.answered(ask, answer(self.log(), ask.from, ask.max_bytes)) {
                        self.under_way.clear();
                        ranges = Ranges::new(seen(2_000, 100), end(self));
                    }
                }
                130..140 if !self.under_way.is_empty() => {
                    let at = usize::try_from(self.below(self.under_way.len() as u64)).unwrap();
                    ranges.failed(self.under_way.swap_remove(at));
                }
                140..199 => match ranges.take(self.next, self.epoch) {
                    Next::Data(data) => self.copy(&data),
                    Next::Wait if ranges.is_empty() && ranges.next_ask(self.next, 2_000).is_none() => {
                        if !self.ordinary() {
                            return false;
                        }
                    }
                    Next::Wait => {}
                    Next::Unproven => {
                        self.under_way.clear();
                        ranges = Ranges::new(seen(2_000, 100), end(self));
                        if !self.ordinary() {
                            return false;
                        }
                    }
                },
                199 => self.diverge(),
                _ => {}
            }
        }
        while self.next < end(self) {
            if !self.ordinary() {
                return false;
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn whatever_the_order_each_batch_is_copied_once_and_from_one_log(seed in 1u64.., diverges: bool) {
        let mut world = World {
            random: seed, logs: Vec::new(), copied: Vec::new(), next: 0, epoch: -1, under_way: Vec::new(),
        };
        let mut log = Vec::new();
        world.append(&mut log, 300, 0);
        world.logs.push(log);
        let is_whole = world.run(diverges);
        let copied = world.copied.as_slice();
        // Never a mixture of two logs.
        prop_assert!(world.logs.iter().any(|log| log.starts_with(copied)), "{copied:?}\n{:?}", world.logs);
        if !diverges {
            prop_assert!(is_whole);
            prop_assert_eq!(copied, world.log());
        } else if is_whole {
            prop_assert_eq!(copied, world.log());
        }
    }
}
