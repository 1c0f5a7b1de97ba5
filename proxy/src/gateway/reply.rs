//! Answers that the gateway gives itself: the only place that builds errors for clients.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{AddPartitionsToTxnResponse, ProduceResponse, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::wire::error_code::ErrorCode;
use crate::wire::header::response_frame;
use crate::wire::primitive::{Text, put_count, put_string};
use crate::wire::produce_request::ProduceRequest;
use crate::wire::topic_ref::TopicRef;

use super::error::ResponseError;
use super::inflight::RefusedTopic;

/// What Confluent Server, too, refuses writes to a mirror topic with.
const READ_ONLY: ErrorCode = ErrorCode::INVALID_REQUEST;
/// First Produce version whose answer has an error message.
const WITH_ERROR_MESSAGE: i16 = 8;
/// First flexible Produce version.
const FLEXIBLE: i16 = 9;

/// What a client reads when it writes to a mirror topic.
fn read_only_message(topic: &str) -> String {
    format!("Cannot append records to read-only mirror topic '{topic}'")
}

/// The entries of refused topics in a Produce response.
pub(super) fn refusals(refused: &[RefusedTopic], version: i16) -> Vec<TopicProduceResponse> {
    refused.iter().map(|topic| refusal(topic, version)).collect()
}

fn refusal(refused: &RefusedTopic, version: i16) -> TopicProduceResponse {
    let message = StrBytes::from(read_only_message(&refused.name));
    let partition = |index: &i32| {
        let mut partition = PartitionProduceResponse::default()
            .with_index(*index)
            .with_error_code(READ_ONLY.0)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1);
        if version >= WITH_ERROR_MESSAGE {
            partition.error_message = Some(message.clone());
        }
        partition
    };
    let mut topic = TopicProduceResponse::default();
    match &refused.topic {
        TopicRef::Name(name) => topic.name = TopicName(StrBytes::from(name.as_str().to_owned())),
        TopicRef::Id(id) => topic.topic_id = Uuid::from_bytes(*id),
    }
    topic.partition_responses = refused.partitions.iter().map(partition).collect();
    topic
}

/// The whole answer to a request of which nothing went on.
///
/// # Errors
/// [`ResponseError::Codec`] where the codec refuses what was built: never for the versions of the table.
pub(super) fn produce_refused(
    correlation_id: i32,
    version: i16,
    refused: &[RefusedTopic],
) -> Result<Bytes, ResponseError> {
    let response = ProduceResponse::default().with_responses(refusals(refused, version));
    let mut body = BytesMut::new();
    response.encode(&mut body, version).map_err(|error| ResponseError::Codec(error.to_string()))?;
    Ok(response_frame(correlation_id, version >= FLEXIBLE, &body))
}

/// The answer to a transaction that names a mirror topic (`true`): nothing of it was attempted.
///
/// # Errors
/// As [`produce_refused`].
pub(super) fn add_partitions_refused(
    correlation_id: i32,
    version: i16,
    topics: &[(bool, Text, Vec<i32>)],
) -> Result<Bytes, ResponseError> {
    let topic = |(refused, name, partitions): &(bool, Text, Vec<i32>)| {
        let error_code = if *refused { READ_ONLY } else { ErrorCode::OPERATION_NOT_ATTEMPTED };
        let partition = |index: &i32| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(error_code.0)
        };
        AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(StrBytes::from(name.as_str().to_owned())))
            .with_results_by_partition(partitions.iter().map(partition).collect())
    };
    let response = AddPartitionsToTxnResponse::default()
        .with_results_by_topic_v3_and_below(topics.iter().map(topic).collect());
    let mut body = BytesMut::new();
    response.encode(&mut body, version).map_err(|error| ResponseError::Codec(error.to_string()))?;
    Ok(response_frame(correlation_id, version >= 3, &body))
}

/// The answer to a Produce request of version 0 to 2: such clients write formats that the gateway does not read.
pub(super) fn produce_too_old(correlation_id: i32, version: i16, request: &ProduceRequest) -> Bytes {
    let mut body = BytesMut::new();
    put_count(&mut body, false, request.topics.len());
    for topic in &request.topics {
        let name = match &topic.topic {
            TopicRef::Name(name) => name.as_str(),
            TopicRef::Id(_) => "",
        };
        put_string(&mut body, false, name);
        put_count(&mut body, false, topic.partitions.len());
        for partition in &topic.partitions {
            body.put_i32(partition.index);
            body.put_i16(ErrorCode::UNSUPPORTED_VERSION.0);
            body.put_i64(-1);
            if version >= 2 {
                body.put_i64(-1);
            }
        }
    }
    if version >= 1 {
        body.put_i32(0);
    }
    response_frame(correlation_id, false, &body)
}
