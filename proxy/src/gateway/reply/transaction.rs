//! Refuses transactions that name a read-only mirror topic: INVALID_REQUEST for that topic,
//! OPERATION_NOT_ATTEMPTED for all others.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::wire::messages::admin_requests::{TopicPartitions, TxnMarker};
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::header::{RequestPrefix, response_frame};
use crate::wire::protocol::primitive::{put_count, put_string};
use crate::wire::protocol::varint::put_unsigned_varint;
use crate::wire::protocol::versions;

use crate::gateway::error::ResponseError;
use crate::gateway::reply::{READ_ONLY, frame};

/// Returns the response to a refused AddPartitionsToTxn request.
///
/// # Errors
/// The errors of [`frame`].
pub(crate) fn add_partitions_refused<'a>(
    prefix: RequestPrefix,
    topics: impl Iterator<Item = &'a TopicPartitions>,
    is_read_only: impl Fn(&TopicPartitions) -> bool,
) -> Result<Bytes, ResponseError> {
    let topic = |topic: &TopicPartitions| {
        let code = code_of(is_read_only(topic));
        let partition = |index: &i32| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code.0)
        };
        AddPartitionsToTxnTopicResult::default()
            .with_name(name(topic))
            .with_results_by_partition(topic.partitions.iter().map(partition).collect())
    };
    let response =
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.map(topic).collect());
    frame(prefix, &response, prefix.api_version)
}

/// Returns the response to a refused WriteTxnMarkers request. It is encoded by hand: the codec knows version
/// 1 only, and the other versions have the same fields.
pub(crate) fn markers_refused(
    prefix: RequestPrefix,
    markers: &[TxnMarker],
    is_read_only: impl Fn(&TopicPartitions) -> bool,
) -> Bytes {
    let flexible = versions::api(prefix.api_key).is_some_and(|api| api.is_flexible(prefix.api_version));
    let mut body = BytesMut::new();
    let tags = |body: &mut BytesMut| {
        if flexible {
            put_unsigned_varint(body, 0u32);
        }
    };
    put_count(&mut body, flexible, markers.len());
    for marker in markers {
        body.put_i64(marker.producer_id);
        put_count(&mut body, flexible, marker.topics.len());
        for topic in &marker.topics {
            put_string(&mut body, flexible, topic.name.as_str());
            put_count(&mut body, flexible, topic.partitions.len());
            for index in &topic.partitions {
                body.put_i32(*index);
                body.put_i16(code_of(is_read_only(topic)).0);
                tags(&mut body);
            }
            tags(&mut body);
        }
        tags(&mut body);
    }
    tags(&mut body);
    response_frame(prefix.correlation_id, flexible, &body)
}

fn code_of(is_read_only: bool) -> ErrorCode {
    if is_read_only { READ_ONLY } else { ErrorCode::OPERATION_NOT_ATTEMPTED }
}

fn name(topic: &TopicPartitions) -> TopicName {
    TopicName(StrBytes::from(topic.name.as_str().to_owned()))
}
