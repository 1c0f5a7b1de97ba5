//! Memory is taken back from those that have held most of it for longest, while others wait for it: their connections are closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::ticks::Micros;
use super::{Budget, Holder};

/// Part of the budget that is taken back at a time.
const PART: usize = 2;

impl Holder {
    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Bytes that have been held for longer than `patience`, and each of them times how long.
    fn held_for_longer(&self, patience: Micros, now: Micros) -> (usize, u128) {
        let holds = self.holds();
        let old = holds.iter().map(|held| (held.bytes, now.saturating_sub(held.since)));
        old.filter(|(_, held_for)| *held_for > patience).fold((0, 0), |(all, weight), (bytes, held_for)| {
            (all + bytes, weight + bytes as u128 * u128::from(held_for))
        })
    }
}

impl Budget {
    /// Which of `holders` have to give back what they hold now: none, unless somebody has waited for longer than
    /// `patience`; then those who have held something for as long, whether they wait for more or not, of the addresses
    /// that have held most the connections that have held most for longest, until what they have held is what is waited
    /// for, or half of the budget. What they have taken since counts for nothing.
    pub(in super::super) fn to_reclaim(&self, holders: &[Arc<Holder>], patience: Micros) -> Vec<usize> {
        let now = self.0.ticks.now();
        let Some(wanted) = self.wanted(now, patience) else { return Vec::new() };
        let mut by_address: HashMap<_, usize> = HashMap::new();
        let mut candidates = Vec::new();
        for (at, holder) in holders.iter().enumerate() {
            let (bytes, weight) = holder.held_for_longer(patience, now);
            if bytes > 0 {
                *by_address.entry(holder.address).or_default() += bytes;
                candidates.push((at, holder, bytes, weight));
            }
        }
        candidates.sort_by_key(|(_, holder, _, weight)| {
            std::cmp::Reverse((by_address.get(&holder.address).copied(), *weight))
        });
        let mut left = wanted;
        let mut taken = Vec::new();
        for (at, _, bytes, _) in candidates {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(bytes);
            taken.push(at);
        }
        taken
    }

    /// How much is to be taken back; `None` while nobody has waited for too long.
    fn wanted(&self, now: Micros, patience: Micros) -> Option<usize> {
        if !self.is_awaited() {
            return None;
        }
        let queue = self.queue();
        let (_, longest) = queue.first_key_value()?;
        if now.saturating_sub(longest.since) <= patience {
            return None;
        }
        let wanted = queue.values().map(|waiter| waiter.bytes).fold(0, usize::saturating_add);
        Some(wanted.min((self.0.pool_bytes / PART).max(longest.bytes)))
    }
}
