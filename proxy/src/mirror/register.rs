//! Reading the register: which offset comes next on the destination.
//!
//! DescribeProducers on the leader tells the last sequence of the reserved producer id, which is the last offset appended
//! modulo 2^31. It does not see other writers, so the log end must agree with it. ListOffsets tells a client the high
//! watermark only; OffsetForLeaderEpoch with the leader's own epoch tells the log end.

use state::invariant;
use state::model::MirrorError;

use super::log_bounds::{last_writer, list_offset, log_end_offset};
use super::partition::{Failure, Identity, Register};
use crate::client::admin::OffsetSpec;
use crate::client::{ClientError, Cluster};
use crate::wire::sequence::offset_after;

/// Offsets that others may have written behind our last append and still be told from a wrapped sequence. The lower bound
/// for the next offset must not lie above it, and less than 2^31 below it.
const FOREIGN_AT_MOST: i64 = 1 << 30;

/// What the destination says of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Epoch and last sequence of the reserved producer id, where the broker knows it.
    pub register: Option<(i32, i32)>,
    /// Log end before the register was read.
    pub log_end_before: i64,
    /// Log end after it was read.
    pub log_end_after: i64,
    /// First offset.
    pub log_start: i64,
    /// Offset up to which all in-sync replicas have the log.
    pub high_watermark: i64,
    /// Producer id and epoch of the last batch in the log, read only where the register is not armed and the log not
    /// empty.
    pub last_writer: Option<(i64, i16)>,
}

/// What follows from a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Here it goes on.
    On(Register),
    /// Not settled yet; read again.
    Again(&'static str),
    /// The log was fenced by a stop and ends here.
    Fenced(i64),
    /// The log is not what Linkgate wrote.
    Never(Failure),
}

/// Judges a reading. Pure.
#[must_use]
pub fn judge(id: &Identity, reading: Reading) -> Next {
    let foreign = |reason: String| Next::Never(Failure { error: MirrorError::IllegalState, reason });
    match reading.register {
        Some((epoch, _)) if epoch > 0 => Next::Fenced(reading.log_end_after),
        Some((_, last_sequence)) => {
            let next = offset_after(last_sequence, (reading.high_watermark - FOREIGN_AT_MOST).max(0));
            match invariant::log_end_is_checkpoint(next, reading.log_end_before, reading.log_end_after) {
                Ok(()) => Next::On(Register { next, armed: true }),
                Err(broken) => foreign(broken.to_string()),
            }
        }
        None if reading.log_end_before != reading.log_end_after => Next::Again("the log end moves"),
        None if reading.log_start == reading.log_end_after => unarmed(reading.log_end_after),
        // The producer id expired on the broker, or was never seen: then the log must be ours to its end.
        None if reading.high_watermark < reading.log_end_after => {
            Next::Again("waiting for the high watermark to reach the log end")
        }
        None => match reading.last_writer {
            // The broker forgets the fence like any batch, by its timestamp; the log keeps it.
            Some((last, epoch)) if last == id.producer_id && epoch > 0 => Next::Fenced(reading.log_end_after),
            Some((last, _)) if last == id.producer_id => unarmed(reading.log_end_after),
            Some((last, _)) => foreign(format!(
                "the log ends at offset {} with a batch of producer id {last}, which Linkgate did not write",
                reading.log_end_after
            )),
            None => Next::Again("the last batch of the log cannot be read"),
        },
    }
}

fn unarmed(next: i64) -> Next {
    Next::On(Register { next, armed: false })
}

/// Reads the register of one partition from its leader.
///
/// # Errors
/// [`ClientError`] when the leader did not answer, or answered with an error.
pub async fn read(destination: &Cluster, id: &Identity) -> Result<Reading, ClientError> {
    let (topic, partition) = (id.topic.as_str(), id.index);
    let log_end_before = log_end_offset(destination, topic, partition).await?;
    let producers = destination.describe_producers(topic, partition).await?;
    let log_end_after = log_end_offset(destination, topic, partition).await?;
    let register = producers
        .iter()
        .find(|producer| producer.producer_id == id.producer_id)
        .map(|producer| (producer.producer_epoch, producer.last_sequence));
    let log_start = list_offset(destination, topic, partition, OffsetSpec::Earliest).await?;
    let high_watermark = list_offset(destination, topic, partition, OffsetSpec::Latest).await?;
    let empty = log_start == log_end_after;
    let last_writer = if register.is_none() && !empty && high_watermark == log_end_after {
        last_writer(destination, topic, partition, log_end_after).await?
    } else {
        None
    };
    Ok(Reading { register, log_end_before, log_end_after, log_start, high_watermark, last_writer })
}

#[cfg(test)]
mod tests {
    use state::model::KafkaUuid;

    use super::*;

    const OURS: i64 = (1 << 62) + 7;

    fn id() -> Identity {
        Identity {
            topic: "users".into(),
            local_topic_id: KafkaUuid::ZERO,
            source_topic: "users".into(),
            source_topic_id: KafkaUuid::ZERO,
            index: 0,
            producer_id: OURS,
            start_offset: 0,
        }
    }

    fn armed(next: i64) -> Next {
        Next::On(Register { next, armed: true })
    }

    fn reading(register: Option<(i32, i32)>, log_end: i64) -> Reading {
        Reading {
            register,
            log_end_before: log_end,
            log_end_after: log_end,
            log_start: 0,
            high_watermark: log_end,
            last_writer: None,
        }
    }

    #[test]
    fn a_new_log_begins_at_its_start() {
        assert_eq!(judge(&id(), reading(None, 0)), unarmed(0));
    }

    #[test]
    fn the_register_tells_the_next_offset_beyond_the_high_watermark() {
        let behind = Reading { high_watermark: 90, ..reading(Some((0, 99)), 100) };
        assert_eq!(judge(&id(), behind), armed(100));
        let wrapped = Reading { high_watermark: (1 << 31) + 5, ..reading(Some((0, 9)), (1 << 31) + 10) };
        assert_eq!(judge(&id(), wrapped), armed((1 << 31) + 10));
    }

    #[test]
    fn another_linkgate_appending_meanwhile_is_no_foreign_write() {
        let racing = Reading {
            log_end_before: 95,
            log_end_after: 120,
            high_watermark: 95,
            ..reading(Some((0, 99)), 0)
        };
        assert_eq!(judge(&id(), racing), armed(100));
    }

    #[test]
    fn a_foreign_write_is_named_by_its_offset() {
        let Next::Never(failure) = judge(&id(), reading(Some((0, 99)), 103)) else { panic!("accepted") };
        assert_eq!(failure.error, MirrorError::IllegalState);
        assert!(failure.reason.contains("from offset 100 on"), "{}", failure.reason);
    }

    #[test]
    fn an_expired_register_is_trusted_only_when_the_log_ends_with_our_batch() {
        let ours = Reading { last_writer: Some((OURS, 0)), ..reading(None, 100) };
        assert_eq!(judge(&id(), ours), unarmed(100));
        let theirs = Reading { last_writer: Some((4, 0)), ..reading(None, 100) };
        assert!(matches!(judge(&id(), theirs), Next::Never(_)));
        let unread = reading(None, 100);
        assert!(matches!(judge(&id(), unread), Next::Again(_)));
        let trimmed = Reading { log_start: 100, ..reading(None, 100) };
        assert_eq!(judge(&id(), trimmed), unarmed(100));
    }

    #[test]
    fn a_fenced_log_is_not_continued() {
        assert_eq!(judge(&id(), reading(Some((1, 0)), 100)), Next::Fenced(100));
        // The broker has forgotten the producer id; the last batch is the fence.
        let forgotten = Reading { last_writer: Some((OURS, 1)), ..reading(None, 100) };
        assert_eq!(judge(&id(), forgotten), Next::Fenced(100));
        // Behind it others have written: the log is no mirror's any more.
        let theirs = Reading { last_writer: Some((4, 1)), ..reading(None, 100) };
        assert!(matches!(judge(&id(), theirs), Next::Never(_)));
    }
}
