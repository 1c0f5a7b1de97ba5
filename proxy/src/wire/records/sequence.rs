//! Computes sequence numbers from offsets. They turn Kafka's idempotence check into a compare-and-append.
//!
//! A batch for offset X has base sequence X mod 2^31. Kafka counts sequences from 0 to 2^31-1 and then from 0
//! again (`DefaultRecordBatch.incrementSequence`), which is the same arithmetic.

const MODULUS: i64 = 1 << 31;

/// Returns the sequence of the record at `offset`: the offset modulo 2^31.
#[must_use]
pub fn sequence_of(offset: i64) -> i32 {
    // The remainder is not negative and is below 2^31, so it always fits.
    i32::try_from(offset.rem_euclid(MODULUS)).unwrap_or(0)
}

/// Returns the smallest offset, at least `at_least`, whose sequence follows `last_sequence`.
///
/// This is the log end offset if `last_sequence` is the last sequence that a broker reports for Linkgate's
/// producer id, and `at_least` is a lower bound of the log end that is less than 2^31 below it (a log start
/// offset or high watermark).
#[must_use]
pub(crate) fn offset_after(last_sequence: i32, at_least: i64) -> i64 {
    let next = i64::from(last_sequence) + 1;
    // 2^31 divides 2^64, so wrapping does not change the remainder.
    at_least.saturating_add(next.wrapping_sub(at_least).rem_euclid(MODULUS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_wrap_where_kafka_wraps_them() {
        assert_eq!(sequence_of(0), 0);
        assert_eq!(sequence_of(i64::from(i32::MAX)), i32::MAX);
        assert_eq!(sequence_of(1 << 31), 0);
        assert_eq!(sequence_of((5 << 31) + 17), 17);
        assert_eq!(offset_after(i32::MAX, 0), 0);
        assert_eq!(offset_after(i32::MAX, 1), 1 << 31);
        assert_eq!(offset_after(i32::MAX, 1 << 31), 1 << 31);
        assert_eq!(offset_after(9, 10), 10);
        assert_eq!(offset_after(9, 11), (1 << 31) + 10);
        assert_eq!(offset_after(-1, 0), 0);
    }

    proptest! {
        #[test]
        fn the_log_end_is_found_from_any_near_bound(end in 1i64..1 << 60, short in 0i64..1 << 31) {
            let at_least = (end - short).max(0);
            prop_assert_eq!(offset_after(sequence_of(end - 1), at_least), end);
        }

        #[test]
        fn offset_after_is_the_smallest_matching_offset(last in 0i32..=i32::MAX, at_least in 0i64..1 << 60) {
            let offset = offset_after(last, at_least);
            prop_assert!(offset >= at_least && offset - at_least < 1 << 31);
            prop_assert_eq!(sequence_of(offset), sequence_of(i64::from(last) + 1));
        }
    }
}
