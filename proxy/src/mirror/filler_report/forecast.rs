//! Estimates the cost of filling offsets, before anything is written.

use std::sync::LazyLock;

use crate::wire::records::filler::filler;
use crate::wire::records::rewrite_header::WriterIds;

/// Nanoseconds per offset while one partition is filled alone. Measured on Kafka 4.3.1 with zstd batches of
/// [`BATCH_OFFSETS`]; larger batches are slower.
const NANOS_ALONE: u128 = 62;
/// Nanoseconds per offset while one broker takes four or more partitions at once. Measured like
/// [`NANOS_ALONE`].
const NANOS_TOGETHER: u128 = 34;
/// Number of offsets in one batch of a long run.
const BATCH_OFFSETS: u32 = 100_000;

/// Size of one such batch, in bytes. Measured by building one.
static BATCH_BYTES: LazyLock<u128> = LazyLock::new(|| {
    let ids = WriterIds { producer_id: i64::MAX, producer_epoch: 0, base_sequence: 0 };
    filler(BATCH_OFFSETS, -1, ids).len() as u128
});

/// An estimated cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FillCost {
    /// Offsets to be filled, in all partitions.
    pub offsets: u64,
    /// Time it takes, in milliseconds.
    pub millis: u64,
    /// Bytes that each replica writes. Trimming the logs deletes them again.
    pub bytes: u64,
}

/// Estimates the cost of filling `runs`, one run of offsets for each partition, on `brokers` destination
/// brokers.
///
/// The longest run cannot be faster than a partition alone. All runs together cannot be faster than the
/// brokers accept them.
#[must_use]
pub(crate) fn fill_cost(runs: &[u64], brokers: usize) -> FillCost {
    let longest = runs.iter().copied().max().map_or(0, u128::from);
    let offsets: u128 = runs.iter().copied().map(u128::from).sum();
    let brokers = brokers.clamp(1, runs.len().max(1)) as u128;
    let nanos = (longest * NANOS_ALONE).max(offsets * NANOS_TOGETHER / brokers);
    let bytes = (offsets * *BATCH_BYTES).div_ceil(BATCH_OFFSETS.into());
    let fits = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    FillCost { offsets: fits(offsets), millis: fits(nanos.div_ceil(1_000_000)), bytes: fits(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_fill_costs_nothing() {
        assert_eq!(fill_cost(&[], 3), FillCost::default());
        assert_eq!(fill_cost(&[0, 0], 0), FillCost::default());
    }

    #[test]
    fn runs_that_share_a_broker_cost_less_than_a_long_run_alone() {
        let billion = 1_000_000_000;
        assert_eq!(fill_cost(&[billion], 3).millis, 62_000);
        assert_eq!(fill_cost(&[billion; 8], 1).millis, 272_000);
        assert_eq!(fill_cost(&[billion; 8], 2).millis, 136_000);
        // More brokers than partitions do not help.
        assert_eq!(fill_cost(&[billion, 5], 9).millis, 62_000);
        // More offsets than a log can hold must not overflow.
        assert_eq!(fill_cost(&[u64::MAX; 3], 1).offsets, u64::MAX);
    }

    #[test]
    fn bytes_equal_the_size_of_real_filler() {
        let ids = WriterIds { producer_id: i64::MAX, producer_epoch: 0, base_sequence: 0 };
        let one = filler(BATCH_OFFSETS, -1, ids).len() as u64;
        assert_eq!(fill_cost(&[u64::from(BATCH_OFFSETS)], 1).bytes, one);
        assert_eq!(fill_cost(&[u64::from(BATCH_OFFSETS); 7], 1).bytes, 7 * one);
        assert!(fill_cost(&[1], 1).bytes >= 1);
    }
}
