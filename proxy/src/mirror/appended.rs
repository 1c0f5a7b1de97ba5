//! What a Produce response means for each partition.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;
use state::model::{KafkaUuid, MirrorError};
use tracing::{debug, error, warn};

use super::on_the_way::PendingAppend;
use super::partition::{Failure, Partition};
use super::ready::ReadyQueue;
use crate::client::{ClientError, answer};
use crate::wire::error_code::ErrorCode;
use crate::wire::produce_encode::{PRODUCE_BY_ID, PRODUCE_KEY};

/// A batch that is on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) partition: Arc<Partition>,
    pub(super) attempt: u64,
    pub(super) base_offset: i64,
    /// Largest timestamp of its records; `None` with filler among them.
    pub(super) max_timestamp: Option<i64>,
    /// Size of the batch, in bytes.
    pub(super) size: usize,
    /// Several source batches in one.
    pub(super) joined: bool,
    /// For so many offsets it is filler and nothing else; 0 where it is not.
    pub(super) filler: i64,
    /// Until this is dropped nobody reads where the log ends.
    pub(super) on_the_way: PendingAppend,
}

/// What to do with a partition whose batch was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Read the register and go on from there.
    Register,
    /// The same, after a pause and with fresh metadata.
    RegisterWithMetadata,
    /// The same, once the topic's `max.message.bytes` is raised, or with less in a batch.
    TooLarge,
    /// The same, with less in a batch. What the source itself has in one batch cannot be made smaller.
    LargerThanSegment,
    /// The same, once it is known what the topic has against the records.
    Records,
    /// No retry can help.
    Fail(MirrorError),
}

fn refusal(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        | ErrorCode::DUPLICATE_SEQUENCE_NUMBER
        | ErrorCode::UNKNOWN_PRODUCER_ID
        | ErrorCode::CORRUPT_MESSAGE
        // Fenced: the register tells whether by a stop of our own.
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

/// Handles the response body of this version for what was `sent`. Returns true when the destination's metadata looks
/// stale.
pub(super) fn take(link: &str, version: i16, body: Bytes, sent: Vec<Sent>, ready: &ReadyQueue) -> bool {
    let response = match answer::decoded::<ProduceResponse>(PRODUCE_KEY, body, version) {
        Ok(response) => response,
        Err(reason) => {
            error!(link, error = %reason, "a produce response cannot be read");
            for Sent { partition, attempt, .. } in sent {
                let why = "a produce response could not be read";
                partition.reset_attempt(attempt, why, Some(Duration::from_secs(1)));
            }
            return true;
        }
    };
    let by_id = version >= PRODUCE_BY_ID;
    let mut answers = HashMap::new();
    for topic in &response.responses {
        // The one that the version does not have is the same for all.
        for answer in &topic.partition_responses {
            let _ = answers.insert((topic.name.as_str(), topic.topic_id, answer.index), answer);
        }
    }
    let mut stale = false;
    for batch in sent {
        let Sent { partition, attempt, base_offset, .. } = &batch;
        let id = &partition.id;
        let named = if by_id {
            ("", id.local_topic_id.0, id.index)
        } else {
            (id.topic.as_str(), KafkaUuid::ZERO.0, id.index)
        };
        let Some(answer) = answers.get(&named) else {
            let why = "the destination did not answer for the partition";
            partition.reset_attempt(*attempt, why, Some(Duration::from_secs(1)));
            continue;
        };
        let code = ErrorCode(answer.error_code);
        if code.is_none() && is_stamped(&batch, answer.log_append_time_ms) {
            partition.fail_attempt(*attempt, stamped(*base_offset));
            continue;
        }
        if code.is_none() {
            if partition.appended(*attempt, *base_offset, answer.base_offset) {
                ready.push(Arc::clone(partition));
            }
            continue;
        }
        let text = answer.error_message.as_ref().map_or("", |message| message.as_str());
        stale |= refused(link, &batch, code, text);
    }
    stale
}

/// Whether the broker gave the batch a time of its own. It also names a time, the largest of the batch, when it has the batch
/// already (`UnifiedLog.append`): that is a replay, and as it should be.
fn is_stamped(sent: &Sent, log_append_time_ms: i64) -> bool {
    let is_replay = sent.max_timestamp.is_none_or(|largest| largest == log_append_time_ms);
    log_append_time_ms >= 0 && !is_replay && sent.partition.attempt() == sent.attempt
}

/// The broker says which time it stamped on a batch only where the topic's timestamps are its own.
fn stamped(offset: i64) -> Failure {
    Failure {
        error: MirrorError::IllegalState,
        reason: format!(
            "the destination gave the batch for offset {offset} timestamps of its own: somebody altered message.timestamp.type of the mirror topic"
        ),
    }
}

/// Returns true when the destination's metadata looks stale.
fn refused(link: &str, sent: &Sent, code: ErrorCode, text: &str) -> bool {
    let Sent { partition, attempt, base_offset: offset, size, .. } = sent;
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
            partition.fail_attempt(*attempt, Failure { error, reason: what.to_owned() });
        }
        Refusal::TooLarge | Refusal::LargerThanSegment if is_made_smaller(sent) => {
            partition.reset_attempt(*attempt, what, None);
        }
        Refusal::TooLarge => {
            partition.reset_attempt(*attempt, what, Some(Duration::from_millis(500)));
            partition.too_large(*size);
        }
        Refusal::LargerThanSegment => {
            let error = MirrorError::UnsupportedMirrorState;
            partition.fail_attempt(*attempt, Failure { error, reason: what.to_owned() });
        }
        Refusal::Records => {
            let error = MirrorError::UnsupportedMirrorState;
            partition.records_refused(*attempt, *offset, Failure { error, reason: what.to_owned() });
        }
        Refusal::Register => partition.reset_attempt(*attempt, what, None),
        Refusal::RegisterWithMetadata => {
            partition.reset_attempt(*attempt, what, Some(Duration::from_millis(50)));
        }
    }
    refusal == Refusal::RegisterWithMetadata
}

/// Whether it was for us how much went into the batch, and less does from now on.
fn is_made_smaller(sent: &Sent) -> bool {
    if sent.joined {
        sent.partition.joined_too_large(sent.size);
        return true;
    }
    sent.partition.filler_too_large(sent.filler)
}

/// The connection broke: whether these batches were appended is for the register to say.
pub(super) fn lost(sent: Vec<Sent>, error: &ClientError) {
    for Sent { partition, attempt, on_the_way, .. } in sent {
        // No answer comes any more.
        drop(on_the_way);
        partition.reset_attempt(
            attempt,
            &format!("the connection to the destination broke: {error}"),
            Some(Duration::from_millis(50)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::on_the_way::OnTheWay;
    use crate::mirror::partition::Phase;
    use crate::mirror::partition::testing::registered_at;

    fn sent(partition: &Arc<Partition>, joined: bool, filler: i64) -> Sent {
        let (partition, attempt) = (Arc::clone(partition), partition.attempt());
        let on_the_way = OnTheWay::default().send(0, &Arc::default());
        Sent {
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
    fn what_was_made_larger_than_the_destination_takes_is_made_smaller() {
        for code in [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::RECORD_LIST_TOO_LARGE] {
            let partition = Arc::new(registered_at("t", 7));
            let _ = refused("dr", &sent(&partition, true, 0), code, "");
            assert_eq!((partition.phase(), partition.join_bytes()), (Phase::Unregistered, 100_000));
            let _ = refused("dr", &sent(&partition, false, 50_000), code, "");
            assert_eq!((partition.phase(), partition.take_too_large()), (Phase::Unregistered, None));
        }
    }

    #[test]
    fn what_the_source_has_in_one_batch_needs_room() {
        let partition = Arc::new(registered_at("t", 7));
        let _ = refused("dr", &sent(&partition, false, 0), ErrorCode::MESSAGE_TOO_LARGE, "");
        assert_eq!((partition.phase(), partition.take_too_large()), (Phase::Unregistered, Some(200_000)));
        let _ = refused("dr", &sent(&partition, false, 0), ErrorCode::RECORD_LIST_TOO_LARGE, "");
        assert!(matches!(partition.phase(), Phase::Failed(_)));
    }

    #[test]
    fn a_refusal_of_an_earlier_attempt_changes_nothing() {
        let partition = Arc::new(registered_at("t", 7));
        let earlier = [sent(&partition, false, 0), sent(&partition, true, 0), sent(&partition, false, 9)];
        partition.reset("connection lost", None);
        let attempt = partition.attempt();
        for sent in earlier {
            for code in [ErrorCode::RECORD_LIST_TOO_LARGE, ErrorCode::INVALID_TIMESTAMP] {
                let _ = refused("dr", &sent, code, "");
            }
        }
        assert_eq!((partition.phase(), partition.attempt()), (Phase::Unregistered, attempt));
    }
}
