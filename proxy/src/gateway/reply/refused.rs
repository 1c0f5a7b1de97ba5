//! Topics that were refused, as entries of the response: alone, or beside what the broker says of the others.

use bytes::Bytes;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResult;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    AlterConfigsResponse, CreatePartitionsResponse, DeleteRecordsResponse, DeleteTopicsResponse,
    IncrementalAlterConfigsResponse, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use uuid::Uuid;

use crate::wire::admin_requests::TOPIC_RESOURCE;
use crate::wire::error_code::ErrorCode;
use crate::wire::header::RequestPrefix;
use crate::wire::produce_request::{PartitionRecords, ProduceTopic};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::error::ResponseError;
use super::super::refusal::RefusedTopic;
use super::{READ_ONLY, frame};

/// First Produce version whose answer has an error message.
const PRODUCE_WITH_MESSAGE: i16 = 8;

/// A response that can tell of refused topics.
pub(in super::super) trait AddRefused: Default + Decodable + Encodable {
    /// Adds an entry for each.
    fn add(&mut self, refused: &[RefusedTopic], version: i16);
}

/// The whole answer to a request of which nothing went on.
///
/// # Errors
/// As [`frame`].
pub(in super::super) fn refused(
    prefix: RequestPrefix,
    topics: &[RefusedTopic],
) -> Result<Bytes, ResponseError> {
    match prefix.api_key {
        versions::PRODUCE => alone::<ProduceResponse>(prefix, topics),
        versions::DELETE_TOPICS => alone::<DeleteTopicsResponse>(prefix, topics),
        versions::DELETE_RECORDS => alone::<DeleteRecordsResponse>(prefix, topics),
        versions::CREATE_PARTITIONS => alone::<CreatePartitionsResponse>(prefix, topics),
        versions::ALTER_CONFIGS => alone::<AlterConfigsResponse>(prefix, topics),
        _ => alone::<IncrementalAlterConfigsResponse>(prefix, topics),
    }
}

/// What a client is told of a batch with a producer id that is reserved to mirroring.
const FORGED: &str = "Producer ids from 2^62 on are reserved to mirroring";

/// The whole answer to a Produce request in which some batch, as `reserved` tells, bears a reserved producer id:
/// INVALID_RECORD for every partition, which no client library tries again.
///
/// # Errors
/// As [`frame`].
pub(in super::super) fn produce_forged(
    prefix: RequestPrefix,
    topics: &[ProduceTopic],
    reserved: impl Fn(&PartitionRecords) -> bool,
) -> Result<Bytes, ResponseError> {
    let version = prefix.api_version;
    let partition = |records: &PartitionRecords| {
        let mut entry = failed_partition(records.index, ErrorCode::INVALID_RECORD);
        if version >= PRODUCE_WITH_MESSAGE && reserved(records) {
            entry.error_message = Some(StrBytes::from_static_str(FORGED));
        }
        entry
    };
    let topic = |topic: &ProduceTopic| {
        let mut entry = TopicProduceResponse::default();
        match &topic.topic {
            TopicRef::Name(name) => entry.name = TopicName(StrBytes::from(name.as_str().to_owned())),
            TopicRef::Id(id) => entry.topic_id = Uuid::from_bytes(*id),
        }
        entry.partition_responses = topic.partitions.iter().map(partition).collect();
        entry
    };
    let response = ProduceResponse::default().with_responses(topics.iter().map(topic).collect());
    frame(prefix, &response, version)
}

fn failed_partition(index: i32, code: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(code.0)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
}

fn alone<R: AddRefused>(prefix: RequestPrefix, topics: &[RefusedTopic]) -> Result<Bytes, ResponseError> {
    let mut response = R::default();
    response.add(topics, prefix.api_version);
    frame(prefix, &response, prefix.api_version)
}

fn message(topic: &RefusedTopic) -> StrBytes {
    topic.reason.message.clone()
}

fn name(topic: &RefusedTopic) -> TopicName {
    TopicName(topic.reason.topic.clone())
}

impl AddRefused for ProduceResponse {
    fn add(&mut self, refused: &[RefusedTopic], version: i16) {
        let entry = |topic: &RefusedTopic| {
            let partition = |index: &i32| {
                let mut partition = failed_partition(*index, READ_ONLY);
                if version >= PRODUCE_WITH_MESSAGE {
                    partition.error_message = Some(message(topic));
                }
                partition
            };
            TopicProduceResponse::default()
                .with_name(name(topic))
                .with_topic_id(topic.id.map_or_else(Uuid::nil, Uuid::from_bytes))
                .with_partition_responses(topic.partitions.iter().map(partition).collect())
        };
        self.responses.extend(refused.iter().map(entry));
    }
}

/// First DeleteTopics version whose answer has an error message.
const DELETE_TOPICS_WITH_MESSAGE: i16 = 5;

impl AddRefused for DeleteTopicsResponse {
    fn add(&mut self, refused: &[RefusedTopic], version: i16) {
        let entry = |topic: &RefusedTopic| {
            let mut entry = DeletableTopicResult::default().with_error_code(READ_ONLY.0);
            // As it was named: the broker tells no name for an id that it does not delete
            // (`ControllerApis.deleteTopics`).
            match topic.id {
                None => entry.name = Some(name(topic)),
                Some(id) => {
                    entry.name = None;
                    entry.topic_id = Uuid::from_bytes(id);
                }
            }
            if version >= DELETE_TOPICS_WITH_MESSAGE {
                entry.error_message = Some(message(topic));
            }
            entry
        };
        self.responses.extend(refused.iter().map(entry));
    }
}

impl AddRefused for DeleteRecordsResponse {
    fn add(&mut self, refused: &[RefusedTopic], _version: i16) {
        let entry = |topic: &RefusedTopic| {
            let partition = |index: &i32| {
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(*index)
                    .with_low_watermark(-1)
                    .with_error_code(READ_ONLY.0)
            };
            DeleteRecordsTopicResult::default()
                .with_name(name(topic))
                .with_partitions(topic.partitions.iter().map(partition).collect())
        };
        self.topics.extend(refused.iter().map(entry));
    }
}

impl AddRefused for CreatePartitionsResponse {
    fn add(&mut self, refused: &[RefusedTopic], _version: i16) {
        let entry = |topic: &RefusedTopic| {
            CreatePartitionsTopicResult::default()
                .with_name(name(topic))
                .with_error_code(READ_ONLY.0)
                .with_error_message(Some(message(topic)))
        };
        self.results.extend(refused.iter().map(entry));
    }
}

impl AddRefused for AlterConfigsResponse {
    fn add(&mut self, refused: &[RefusedTopic], _version: i16) {
        let entry = |topic: &RefusedTopic| {
            AlterConfigsResourceResponse::default()
                .with_error_code(READ_ONLY.0)
                .with_error_message(Some(message(topic)))
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(name(topic).0)
        };
        self.responses.extend(refused.iter().map(entry));
    }
}

impl AddRefused for IncrementalAlterConfigsResponse {
    fn add(&mut self, refused: &[RefusedTopic], _version: i16) {
        let entry = |topic: &RefusedTopic| {
            IncrementalResult::default()
                .with_error_code(READ_ONLY.0)
                .with_error_message(Some(message(topic)))
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(name(topic).0)
        };
        self.responses.extend(refused.iter().map(entry));
    }
}
