//! Source leader epochs of the copied offsets, for what this process appended. Works like Kafka's
//! `LeaderEpochFileCache`.
//!
//! Each fetch names the epoch of the last copied record, and the source reports when its log has diverged
//! from that. The destination may lose the end of its log, so the epochs of earlier offsets are kept too.

use std::collections::VecDeque;

/// Maximum number of epochs that are remembered.
const KEPT: usize = 64;

/// First offset of each epoch, in ascending order. Epoch -1 means "not known".
#[derive(Debug, Clone, Default)]
pub(crate) struct Epochs {
    firsts: VecDeque<(i64, i32)>,
    /// End of the offsets whose epochs are known.
    end: i64,
}

impl Epochs {
    /// Records that the offsets from `from` up to `to` (exclusive) have `epoch`. If `from` is not the end of
    /// what is known, drops everything known first.
    pub(crate) fn add(&mut self, from: i64, to: i64, epoch: i32) {
        if from != self.end {
            self.firsts.clear();
        }
        self.end = to;
        if self.firsts.back().is_none_or(|(_, last)| *last != epoch) {
            self.firsts.push_back((from, epoch));
            if self.firsts.len() > KEPT {
                let _ = self.firsts.pop_front();
            }
        }
    }

    /// Replaces everything known by the epoch of the record before `next`.
    pub(crate) fn learn(&mut self, next: i64, epoch: i32) {
        self.firsts.clear();
        self.add(next.saturating_sub(1), next, epoch);
    }

    /// Returns the epoch of the record before `next`; -1 if not known.
    pub(crate) fn before(&self, next: i64) -> i32 {
        if next > self.end {
            return -1;
        }
        self.firsts.iter().rev().find(|(from, _)| *from < next).map_or(-1, |(_, epoch)| *epoch)
    }

    /// Truncates to the log end `end`. If `end` lies behind the end of what is known, drops everything known.
    pub(crate) fn cut(&mut self, end: i64) {
        if end > self.end {
            self.firsts.clear();
        }
        self.firsts.retain(|(from, _)| *from < end);
        self.end = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_offset_has_the_epoch_of_its_batch_and_offsets_beyond_the_end_have_none() {
        let mut epochs = Epochs::default();
        epochs.add(10, 20, 3);
        epochs.add(20, 25, 3);
        epochs.add(25, 40, 5);
        let known = [10, 11, 25, 26, 40, 41].map(|next| epochs.before(next));
        assert_eq!(known, [-1, 3, 3, 5, 5, -1]);
        // The destination lost its tail
        epochs.cut(25);
        assert_eq!([25, 26].map(|next| epochs.before(next)), [3, -1]);
        epochs.add(25, 30, 9);
        assert_eq!([25, 30].map(|next| epochs.before(next)), [3, 9]);
        // Another writer appended
        epochs.cut(35);
        assert_eq!([25, 30, 35].map(|next| epochs.before(next)), [-1; 3]);
        epochs.learn(35, 9);
        epochs.add(35, 36, 9);
        assert_eq!([34, 35, 36].map(|next| epochs.before(next)), [-1, 9, 9]);
    }

    #[test]
    fn only_the_last_epochs_are_remembered() {
        let mut epochs = Epochs::default();
        (0..100).for_each(|epoch| epochs.add(i64::from(epoch), i64::from(epoch) + 1, epoch));
        assert_eq!((epochs.firsts.len(), epochs.before(36), epochs.before(37)), (KEPT, -1, 36));
    }
}
