//! Position recovery: reads the append position of a partition from the destination leader.
//!
//! DescribeProducers on the leader returns the last sequence of the reserved producer id, which is the last
//! offset appended modulo 2^31. It does not see other writers, so the log end must agree with it. ListOffsets
//! tells a client the high watermark only; OffsetForLeaderEpoch with the leader's own epoch tells the log
//! end.
pub(crate) mod recovery;

use state::invariant;
use state::model::MirrorError;

use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster};
use crate::mirror::log_bounds::{last_writer, list_offset, log_end_offset};
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::{AppendPosition, PartitionIdentity};
use crate::wire::records::sequence::offset_after;

/// Maximum number of offsets that others may have written behind our last append, so that the append position
/// can still be computed from the sequence. The lower bound for that must not lie above the append position,
/// and must be less than 2^31 below it.
const FOREIGN_AT_MOST: i64 = 1 << 30;

/// State of one partition, as the destination leader reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Epoch and last sequence of the reserved producer id; `None` if the broker does not know it.
    pub producer_state: Option<(i32, i32)>,
    /// Log end offset before the producer state was read.
    pub log_end_before: i64,
    /// Log end offset after the producer state was read.
    pub log_end_after: i64,
    /// Log start offset.
    pub log_start: i64,
    /// High watermark: the offset up to which all in-sync replicas have the log.
    pub high_watermark: i64,
    /// Producer id and epoch of the last batch in the log. Read only if the broker does not know the reserved
    /// producer id, and the log is not empty and fully replicated.
    pub last_writer: Option<(i64, i16)>,
}

/// Conclusion from a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on at this append position.
    On(AppendPosition),
    /// Not settled yet, for this reason: read again.
    Again(&'static str),
    /// A stop fenced the log, which ends at this offset.
    Fenced(i64),
    /// The log is not what Linkgate wrote.
    Never(PartitionFailure),
}

/// Judges a reading. Pure.
#[must_use]
pub(crate) fn judge(id: &PartitionIdentity, reading: Reading) -> Next {
    let foreign = |reason: String| Next::Never(PartitionFailure { error: MirrorError::IllegalState, reason });
    match reading.producer_state {
        Some((epoch, _)) if epoch > 0 => Next::Fenced(reading.log_end_after),
        Some((_, last_sequence)) => {
            let next = offset_after(last_sequence, (reading.high_watermark - FOREIGN_AT_MOST).max(0));
            match invariant::log_end_is_checkpoint(next, reading.log_end_before, reading.log_end_after) {
                Ok(()) => Next::On(AppendPosition { next, producer_known: true }),
                Err(broken) => foreign(broken.to_string()),
            }
        }
        None if reading.log_end_before != reading.log_end_after => Next::Again("the log end is still moving"),
        None if reading.log_start == reading.log_end_after => producer_unknown(reading.log_end_after),
        // The broker has forgotten the producer id, or never knew it: then the last batch of the log must be
        // ours.
        None if reading.high_watermark < reading.log_end_after => {
            Next::Again("waiting for the high watermark to reach the log end")
        }
        None => match reading.last_writer {
            // The broker forgets the fence by its timestamp, like any batch; the log keeps it.
            Some((last, epoch)) if last == id.producer_id && epoch > 0 => Next::Fenced(reading.log_end_after),
            Some((last, _)) if last == id.producer_id => producer_unknown(reading.log_end_after),
            Some((last, _)) => foreign(format!(
                "the log ends at offset {} with a batch of producer id {last}, which Linkgate did not write",
                reading.log_end_after
            )),
            None => Next::Again("the last batch of the log cannot be read"),
        },
    }
}

fn producer_unknown(next: i64) -> Next {
    Next::On(AppendPosition { next, producer_known: false })
}

/// Reads the state of one partition from its leader.
///
/// # Errors
/// Fails with [`ClientError`] if the leader did not answer, or answered with an error.
pub(crate) async fn read(destination: &Cluster, id: &PartitionIdentity) -> Result<Reading, ClientError> {
    let (topic, partition) = (id.topic.as_str(), id.index);
    let log_end_before = log_end_offset(destination, topic, partition).await?;
    let producers = destination.describe_producers(topic, partition).await?;
    let log_end_after = log_end_offset(destination, topic, partition).await?;
    let producer_state = producers
        .iter()
        .find(|producer| producer.producer_id == id.producer_id)
        .map(|producer| (producer.producer_epoch, producer.last_sequence));
    let log_start = list_offset(destination, topic, partition, OffsetSpec::Earliest).await?;
    let high_watermark = list_offset(destination, topic, partition, OffsetSpec::Latest).await?;
    let empty = log_start == log_end_after;
    let last_writer = if producer_state.is_none() && !empty && high_watermark == log_end_after {
        last_writer(destination, topic, partition, log_end_after).await?
    } else {
        None
    };
    Ok(Reading { producer_state, log_end_before, log_end_after, log_start, high_watermark, last_writer })
}

#[cfg(test)]
mod tests {
    use state::model::KafkaUuid;

    use super::*;

    const OURS: i64 = (1 << 62) + 7;

    fn id() -> PartitionIdentity {
        PartitionIdentity {
            topic: "users".into(),
            local_topic_id: KafkaUuid::ZERO,
            source_topic: "users".into(),
            source_topic_id: KafkaUuid::ZERO,
            index: 0,
            producer_id: OURS,
            start_offset: 0,
        }
    }

    fn producer_known(next: i64) -> Next {
        Next::On(AppendPosition { next, producer_known: true })
    }

    fn reading(producer_state: Option<(i32, i32)>, log_end: i64) -> Reading {
        Reading {
            producer_state,
            log_end_before: log_end,
            log_end_after: log_end,
            log_start: 0,
            high_watermark: log_end,
            last_writer: None,
        }
    }

    #[test]
    fn a_new_log_begins_at_its_start() {
        assert_eq!(judge(&id(), reading(None, 0)), producer_unknown(0));
    }

    #[test]
    fn the_producer_state_gives_the_append_position_beyond_the_high_watermark() {
        let behind = Reading { high_watermark: 90, ..reading(Some((0, 99)), 100) };
        assert_eq!(judge(&id(), behind), producer_known(100));
        let wrapped = Reading { high_watermark: (1 << 31) + 5, ..reading(Some((0, 9)), (1 << 31) + 10) };
        assert_eq!(judge(&id(), wrapped), producer_known((1 << 31) + 10));
    }

    #[test]
    fn an_append_of_another_linkgate_meanwhile_is_not_a_foreign_write() {
        let racing = Reading {
            log_end_before: 95,
            log_end_after: 120,
            high_watermark: 95,
            ..reading(Some((0, 99)), 0)
        };
        assert_eq!(judge(&id(), racing), producer_known(100));
    }

    #[test]
    fn a_foreign_write_is_reported_with_its_offset() {
        let Next::Never(failure) = judge(&id(), reading(Some((0, 99)), 103)) else { panic!("accepted") };
        assert_eq!(failure.error, MirrorError::IllegalState);
        assert!(failure.reason.contains("from offset 100 on"), "{}", failure.reason);
    }

    #[test]
    fn without_a_known_producer_id_the_log_must_end_with_our_batch() {
        let ours = Reading { last_writer: Some((OURS, 0)), ..reading(None, 100) };
        assert_eq!(judge(&id(), ours), producer_unknown(100));
        let theirs = Reading { last_writer: Some((4, 0)), ..reading(None, 100) };
        assert!(matches!(judge(&id(), theirs), Next::Never(_)));
        let unread = reading(None, 100);
        assert!(matches!(judge(&id(), unread), Next::Again(_)));
        let trimmed = Reading { log_start: 100, ..reading(None, 100) };
        assert_eq!(judge(&id(), trimmed), producer_unknown(100));
    }

    #[test]
    fn a_fenced_log_is_not_continued() {
        assert_eq!(judge(&id(), reading(Some((1, 0)), 100)), Next::Fenced(100));
        // The broker has forgotten the producer id; the last batch is the fence.
        let forgotten = Reading { last_writer: Some((OURS, 1)), ..reading(None, 100) };
        assert_eq!(judge(&id(), forgotten), Next::Fenced(100));
        // Others have written behind the fence: the log is not a mirror's any more.
        let theirs = Reading { last_writer: Some((4, 1)), ..reading(None, 100) };
        assert!(matches!(judge(&id(), theirs), Next::Never(_)));
    }
}
