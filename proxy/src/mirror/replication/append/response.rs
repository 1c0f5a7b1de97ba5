//! Handles Produce responses: for each partition, acknowledges the batch, resets the partition or fails it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;
use state::model::{KafkaUuid, MirrorError};
use tracing::{debug, error, warn};

use crate::client::ClientError;
use crate::client::connection::response_body;
use crate::mirror::in_flight::PendingAppend;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::Partition;
use crate::mirror::replication::partition::phase::Attempt;
use crate::wire::messages::produce_encode::{PRODUCE_BY_ID, PRODUCE_KEY};
use crate::wire::protocol::error_code::ErrorCode;

/// A batch in flight.
#[derive(Debug)]
pub(crate) struct InFlightBatch {
    pub(crate) partition: Arc<Partition>,
    pub(crate) attempt: Attempt,
    pub(crate) base_offset: i64,
    /// Largest timestamp of its records; `None` for filler and mixed batches.
    pub(crate) max_timestamp: Option<i64>,
    /// Size of the batch, in bytes.
    pub(crate) size: usize,
    /// True if several source batches were joined into this one.
    pub(crate) joined: bool,
    /// Number of offsets if the batch is all filler; else 0.
    pub(crate) filler: i64,
    /// Counts the append as in flight. The log end is not read before this is dropped.
    pub(crate) on_the_way: PendingAppend,
}

/// Reaction to the refusal of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Recover the append position, and go on from there.
    Register,
    /// Recover the append position, after a pause and with fresh metadata.
    RegisterWithMetadata,
    /// Recover the append position, once the topic's `max.message.bytes` is raised or later batches are
    /// smaller.
    TooLarge,
    /// Recover the append position, and make later batches smaller. Fail for a batch of the source, which
    /// cannot be made smaller.
    LargerThanSegment,
    /// Recover the append position, once the reason for the refusal of the records is known.
    Records,
    /// Fail: no retry can help.
    Fail(MirrorError),
}

fn refusal(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        | ErrorCode::DUPLICATE_SEQUENCE_NUMBER
        | ErrorCode::UNKNOWN_PRODUCER_ID
        | ErrorCode::CORRUPT_MESSAGE
        // Fenced: position recovery tells whether by a stop of our own.
        | ErrorCode::INVALID_PRODUCER_EPOCH => Refusal::Register,
        ErrorCode::MESSAGE_TOO_LARGE => Refusal::TooLarge,
        ErrorCode::RECORD_LIST_TOO_LARGE => Refusal::LargerThanSegment,
        ErrorCode::INVALID_RECORD => Refusal::Records,
        ErrorCode::INVALID_TIMESTAMP
        | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
        | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        | ErrorCode::POLICY_VIOLATION => Refusal::Fail(MirrorError::UnsupportedMirrorState),
        _ => Refusal::RegisterWithMetadata,
    }
}

/// Handles the body of a response in this version to the batches in `sent`. Returns true if the destination's
/// metadata looks stale.
pub(crate) fn take(link: &str, version: i16, body: Bytes, sent: Vec<InFlightBatch>) -> bool {
    let response = match response_body::decoded::<ProduceResponse>(PRODUCE_KEY, body, version) {
        Ok(response) => response,
        Err(reason) => {
            error!(link, error = %reason, "a produce response cannot be read");
            for InFlightBatch { partition, attempt, .. } in sent {
                let why = "a produce response could not be read";
                partition.reset(attempt, why, Some(Duration::from_secs(1)));
            }
            return true;
        }
    };
    let by_id = version >= PRODUCE_BY_ID;
    let mut answers = HashMap::new();
    for topic in &response.responses {
        // A version has either names or ids. The other one is the same for all topics.
        for answer in &topic.partition_responses {
            let _ = answers.insert((topic.name.as_str(), topic.topic_id, answer.index), answer);
        }
    }
    let mut stale = false;
    for batch in sent {
        let InFlightBatch { partition, attempt, base_offset, .. } = &batch;
        let id = &partition.id;
        let named = if by_id {
            ("", id.local_topic_id.0, id.index)
        } else {
            (id.topic.as_str(), KafkaUuid::ZERO.0, id.index)
        };
        let Some(answer) = answers.get(&named) else {
            let why = "the destination did not answer for the partition";
            partition.reset(*attempt, why, Some(Duration::from_secs(1)));
            continue;
        };
        let code = ErrorCode(answer.error_code);
        if code.is_none() && is_stamped(&batch, answer.log_append_time_ms) {
            partition.fail(*attempt, stamped(*base_offset));
            continue;
        }
        if code.is_none() {
            partition.appended(*attempt, *base_offset, answer.base_offset);
            continue;
        }
        let text = answer.error_message.as_ref().map_or("", |message| message.as_str());
        stale |= refused(link, &batch, code, text);
    }
    stale
}

/// Returns true if the broker gave the batch a time of its own. The broker also returns a time, the largest
/// of the batch, if it has the batch already (`UnifiedLog.append`): that is a replay, and correct.
fn is_stamped(sent: &InFlightBatch, log_append_time_ms: i64) -> bool {
    let is_replay = sent.max_timestamp.is_none_or(|largest| largest == log_append_time_ms);
    log_append_time_ms >= 0 && !is_replay && sent.partition.attempt() == sent.attempt
}

/// Returns the failure for a topic whose timestamps are the broker's own. Apart from replays, the broker
/// returns a log append time only for such a topic.
fn stamped(offset: i64) -> PartitionFailure {
    PartitionFailure {
        error: MirrorError::IllegalState,
        reason: format!(
            "the destination replaced the timestamps of the batch for offset {offset}: \
             message.timestamp.type of the mirror topic was altered"
        ),
    }
}

/// Handles a refusal. Returns true if the destination's metadata looks stale.
fn refused(link: &str, sent: &InFlightBatch, code: ErrorCode, text: &str) -> bool {
    let InFlightBatch { partition, attempt, base_offset: offset, size, .. } = sent;
    let (topic, index) = (&partition.id.topic, partition.id.index);
    let refusal = refusal(code);
    let what = format!("destination refused the batch for offset {offset}: {} {text}", code.name());
    let what = what.trim_end();
    match refusal {
        Refusal::Fail(_) | Refusal::TooLarge | Refusal::LargerThanSegment | Refusal::Records => {
            warn!(link, topic, partition = index, offset, size, error = code.name(), "append refused");
        }
        Refusal::Register | Refusal::RegisterWithMetadata => {
            debug!(link, topic, partition = index, offset, error = code.name(), "append refused");
        }
    }
    match refusal {
        Refusal::Fail(error) => {
            partition.fail(*attempt, PartitionFailure { error, reason: what.to_owned() });
        }
        Refusal::TooLarge | Refusal::LargerThanSegment if is_made_smaller(sent, what) => {}
        Refusal::TooLarge => partition.too_large(*attempt, *size, what),
        Refusal::LargerThanSegment => {
            let error = MirrorError::UnsupportedMirrorState;
            partition.fail(*attempt, PartitionFailure { error, reason: what.to_owned() });
        }
        Refusal::Records => {
            let error = MirrorError::UnsupportedMirrorState;
            partition.records_refused(*attempt, *offset, PartitionFailure { error, reason: what.to_owned() });
        }
        Refusal::Register => partition.reset(*attempt, what, None),
        Refusal::RegisterWithMetadata => {
            partition.reset(*attempt, what, Some(Duration::from_millis(50)));
        }
    }
    refusal == Refusal::RegisterWithMetadata
}

/// Resets the partition and makes later batches smaller, if Linkgate chose the size of this one. Returns true
/// if it did.
fn is_made_smaller(sent: &InFlightBatch, what: &str) -> bool {
    let InFlightBatch { partition, attempt, size, joined, filler, .. } = sent;
    if *joined {
        partition.joined_too_large(*attempt, *size, what);
    } else if *filler > 1 {
        partition.filler_too_large(*attempt, *filler, what);
    }
    *joined || *filler > 1
}

/// Resets the partitions of these batches, since the connection broke: position recovery tells whether they
/// were appended.
pub(crate) fn lost(sent: Vec<InFlightBatch>, error: &ClientError) {
    for InFlightBatch { partition, attempt, on_the_way, .. } in sent {
        // No answer comes any more.
        drop(on_the_way);
        partition.reset(
            attempt,
            &format!("the connection to the destination broke: {error}"),
            Some(Duration::from_millis(50)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::in_flight::OnTheWay;
    use crate::mirror::replication::partition::Phase;
    use crate::mirror::replication::partition::test_support::recovered_at;

    fn sent(partition: &Arc<Partition>, joined: bool, filler: i64) -> InFlightBatch {
        let (partition, attempt) = (Arc::clone(partition), partition.attempt());
        let on_the_way = OnTheWay::default().send(0, &Arc::default());
        InFlightBatch {
            partition,
            attempt,
            base_offset: 7,
            max_timestamp: None,
            size: 200_000,
            joined,
            filler,
            on_the_way,
        }
    }

    #[test]
    fn joined_batches_and_filler_that_are_too_large_are_made_smaller() {
        for code in [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::RECORD_LIST_TOO_LARGE] {
            let partition = Arc::new(recovered_at("t", 7));
            let _ = refused("dr", &sent(&partition, true, 0), code, "");
            assert_eq!((partition.phase(), partition.join_bytes()), (Phase::Recovering, 100_000));
            let _ = refused("dr", &sent(&partition, false, 50_000), code, "");
            assert_eq!((partition.phase(), partition.take_too_large()), (Phase::Recovering, None));
        }
    }

    #[test]
    fn a_source_batch_that_is_too_large_raises_the_limit_or_fails_the_partition() {
        let partition = Arc::new(recovered_at("t", 7));
        let _ = refused("dr", &sent(&partition, false, 0), ErrorCode::MESSAGE_TOO_LARGE, "");
        assert_eq!((partition.phase(), partition.take_too_large()), (Phase::Recovering, Some(200_000)));
        let _ = refused("dr", &sent(&partition, false, 0), ErrorCode::RECORD_LIST_TOO_LARGE, "");
        assert!(matches!(partition.phase(), Phase::Failed(_)));
    }

    #[test]
    fn a_refusal_of_an_earlier_attempt_changes_nothing() {
        let partition = Arc::new(recovered_at("t", 7));
        let earlier = [sent(&partition, false, 0), sent(&partition, true, 0), sent(&partition, false, 9)];
        partition.restart("connection lost", None);
        let attempt = partition.attempt();
        let join_bytes = partition.join_bytes();
        for sent in earlier {
            for code in
                [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::RECORD_LIST_TOO_LARGE, ErrorCode::INVALID_TIMESTAMP]
            {
                let _ = refused("dr", &sent, code, "");
            }
        }
        assert_eq!((partition.phase(), partition.attempt()), (Phase::Recovering, attempt));
        assert_eq!((partition.join_bytes(), partition.take_too_large()), (join_bytes, None));
    }
}
