//! The rules that a mirror must obey, each a named function.
//!
//! Debug assertions, tests and audits call these functions, so that each rule has one wording. Each returns
//! `Err` with a sentence that names the violation.

mod journal;

pub use self::journal::{
    change_is_lawful, generations_are_never_reused, generations_only_grow, identity_is_kept,
    journal_is_gapless, stopped_is_terminal, view_ends_as_replay, view_is_replay,
};

/// A broken invariant, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invariant {name} is broken: {what}")]
pub struct Broken {
    /// Name of the rule.
    pub name: &'static str,
    /// Description of the violation.
    pub what: String,
}

type Check = Result<(), Broken>;

fn broken(name: &'static str, what: String) -> Check {
    Err(Broken { name, what })
}

/// Checks `sequence-is-offset`: the base sequence of a batch is its destination offset modulo 2^31. This
/// turns the broker's idempotence check into compare-and-append.
///
/// # Errors
/// [`Broken`] naming both numbers.
pub fn sequence_is_offset(offset: i64, base_sequence: i32) -> Check {
    if i64::from(base_sequence) == offset & 0x7fff_ffff && base_sequence >= 0 {
        return Ok(());
    }
    broken("sequence-is-offset", format!("a batch for offset {offset} carries sequence {base_sequence}"))
}

/// Checks `landed-where-intended`: a batch was appended at the offset that it was written for.
///
/// # Errors
/// [`Broken`] naming the offset from which on another producer wrote past the gateway.
pub fn landed_where_intended(intended: i64, landed: i64) -> Check {
    if intended == landed {
        return Ok(());
    }
    broken(
        "landed-where-intended",
        format!(
            "the batch for offset {intended} landed at offset {landed}: another producer wrote to the \
             mirror topic past the gateway, from offset {} on",
            intended.min(landed)
        ),
    )
}

/// Checks `log-end-is-checkpoint`: the next offset to copy, read from the reserved producer id, is the
/// destination's log end. The log end is read before and after it, because another Linkgate may be appending
/// meanwhile.
///
/// # Errors
/// [`Broken`] naming the offset from which on the log holds records that Linkgate did not write.
pub fn log_end_is_checkpoint(next: i64, log_end_before: i64, log_end_after: i64) -> Check {
    if log_end_before <= next && next <= log_end_after {
        return Ok(());
    }
    broken(
        "log-end-is-checkpoint",
        format!(
            "Linkgate's last append ends at offset {next}, the log at {log_end_before}: another producer \
             wrote to the mirror topic past the gateway, from offset {} on",
            next.min(log_end_before)
        ),
    )
}

/// Checks `batch-is-next`: a batch to be appended begins at the next offset. Nothing is skipped, repeated or
/// reordered.
///
/// # Errors
/// [`Broken`] naming both offsets.
pub fn batch_is_next(next: i64, base_offset: i64) -> Check {
    if next == base_offset {
        return Ok(());
    }
    broken("batch-is-next", format!("offset {next} is next, the batch begins at {base_offset}"))
}

/// Checks `batch-is-dense`: every offset of an appended batch holds a record, as stock brokers require of
/// producers.
///
/// # Errors
/// [`Broken`] naming offset, span and record count.
pub fn batch_is_dense(base_offset: i64, last_offset_delta: i32, record_count: i32) -> Check {
    if record_count > 0 && i64::from(record_count) == i64::from(last_offset_delta) + 1 {
        return Ok(());
    }
    broken(
        "batch-is-dense",
        format!(
            "the batch at offset {base_offset} spans {} offsets and holds {record_count} records",
            i64::from(last_offset_delta) + 1
        ),
    )
}

/// Checks `only-our-producer-id`: every batch sent to the destination has the reserved producer id, and is
/// neither transactional nor a control batch. So no transaction of the source can stay open on the
/// destination.
///
/// `attributes` are those of a v2 record batch: 0x10 transactional, 0x20 control.
///
/// # Errors
/// [`Broken`] naming the producer id and attributes of the batch.
pub fn only_our_producer_id(reserved: i64, producer_id: i64, attributes: i16) -> Check {
    if producer_id == reserved && attributes & 0x30 == 0 {
        return Ok(());
    }
    broken(
        "only-our-producer-id",
        format!(
            "a batch carries producer id {producer_id} and attributes {attributes:#06x}; {reserved} is reserved for it"
        ),
    )
}

/// Checks `group-offset-within-log`: a synced group offset lies within what all in-sync replicas of the
/// mirror have. So no consumer skips records or is reset after a failover, whichever replica becomes the
/// leader.
///
/// # Errors
/// [`Broken`] naming the group's offset and the high watermark.
pub fn group_offset_within_log(committed: i64, high_watermark: i64) -> Check {
    if (0..=high_watermark).contains(&committed) {
        return Ok(());
    }
    broken(
        "group-offset-within-log",
        format!("committed offset {committed}, high watermark {high_watermark}"),
    )
}

/// Checks `promote-loses-nothing`: when a promote fences a partition, the mirror has everything that the
/// source held when the promote began, and all of it is replicated. A high watermark beyond the log end is
/// allowed: it was read later.
///
/// # Errors
/// [`Broken`] naming the three offsets.
pub fn promote_loses_nothing(source_end: i64, log_end_offset: i64, high_watermark: i64) -> Check {
    if log_end_offset >= source_end && high_watermark >= log_end_offset {
        return Ok(());
    }
    broken(
        "promote-loses-nothing",
        format!("source end {source_end}, log end offset {log_end_offset}, high watermark {high_watermark}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_is_offset_wraps_at_two_to_the_31() {
        assert_eq!(sequence_is_offset(0, 0), Ok(()));
        assert_eq!(sequence_is_offset((1 << 31) - 1, i32::MAX), Ok(()));
        assert_eq!(sequence_is_offset(1 << 31, 0), Ok(()));
        assert!(sequence_is_offset(7, 8).is_err());
        assert!(sequence_is_offset(1 << 31, -1).is_err());
    }

    #[test]
    fn each_rule_is_broken_by_the_smallest_deviation() {
        assert!(landed_where_intended(5, 5).is_ok());
        assert!(landed_where_intended(5, 6).is_err_and(|e| e.what.contains("from offset 5 on")));
        assert!(log_end_is_checkpoint(5, 5, 5).is_ok());
        assert!(log_end_is_checkpoint(5, 4, 9).is_ok());
        assert!(log_end_is_checkpoint(5, 6, 6).is_err_and(|e| e.what.contains("from offset 5 on")));
        assert!(log_end_is_checkpoint(5, 3, 4).is_err());
        assert!(batch_is_next(5, 5).is_ok());
        assert!(batch_is_next(5, 4).is_err() && batch_is_next(5, 6).is_err());
        assert!(batch_is_dense(0, 2, 3).is_ok());
        assert!(batch_is_dense(0, 2, 2).is_err() && batch_is_dense(0, -1, 0).is_err());
        assert!(only_our_producer_id(9, 9, 0x04).is_ok());
        assert!(only_our_producer_id(9, 8, 0).is_err());
        assert!(only_our_producer_id(9, 9, 0x10).is_err() && only_our_producer_id(9, 9, 0x20).is_err());
        assert!(group_offset_within_log(0, 0).is_ok() && group_offset_within_log(5, 5).is_ok());
        assert!(group_offset_within_log(6, 5).is_err() && group_offset_within_log(-1, 5).is_err());
        assert!(promote_loses_nothing(5, 5, 5).is_ok() && promote_loses_nothing(5, 6, 6).is_ok());
        assert!(promote_loses_nothing(5, 4, 4).is_err() && promote_loses_nothing(5, 5, 4).is_err());
    }
}
