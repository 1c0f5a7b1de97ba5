//! Reclaims memory while sessions wait for it: selects the connections that have held the most for the
//! longest, to be closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::gateway::budget::{Budget, Holder};
use crate::gateway::clock::Micros;

/// Divisor of the budget that gives the amount to reclaim at a time.
const PART: usize = 2;

impl Holder {
    /// Returns the number of bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Returns the number of bytes that have been held for longer than `patience`, and the sum of bytes ×
    /// time held.
    fn held_for_longer(&self, patience: Micros, now: Micros) -> (usize, u128) {
        let holds = self.holds();
        let old = holds.iter().map(|held| (held.bytes, now.saturating_sub(held.since)));
        old.filter(|(_, held_for)| *held_for > patience).fold((0, 0), |(all, weight), (bytes, held_for)| {
            (all + bytes, weight + bytes as u128 * u128::from(held_for))
        })
    }
}

impl Budget {
    /// Returns the indexes of the `holders` that have to give back what they hold now.
    ///
    /// Returns none unless a session has waited for longer than `patience`. Then only holders that have held
    /// bytes for longer than `patience` count, with these bytes only, even if they wait for more themselves.
    /// The addresses that have held the most come first, and of these the connections with the most bytes ×
    /// time held. The selection ends when their bytes cover what is waited for. It never aims at more than
    /// half of the pool, unless the longest-waiting session alone needs more.
    pub(crate) fn to_reclaim(&self, holders: &[Arc<Holder>], patience: Micros) -> Vec<usize> {
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

    /// Returns the number of bytes to reclaim, or `None` if no session has waited for longer than `patience`.
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
