//! Adds refused topics to a response: to an empty one, or to the broker's response for the other topics.

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

use crate::wire::messages::admin_requests::TOPIC_RESOURCE;
use crate::wire::messages::produce_request::{PartitionRecords, ProduceTopic};
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

use crate::gateway::error::ResponseError;
use crate::gateway::reply::refusal::RefusedTopic;
use crate::gateway::reply::{READ_ONLY, frame};

/// First Produce version whose response has an error message.
const PRODUCE_WITH_MESSAGE: i16 = 8;

/// Response that can report refused topics.
pub(crate) trait AddRefused: Default + Decodable + Encodable {
    /// Adds an entry for each refused topic.
    fn add(&mut self, refused: &[RefusedTopic], version: i16);
}

/// Returns the whole response to a request of which nothing was sent on.
///
/// # Errors
/// The errors of [`frame`].
pub(crate) fn refused(prefix: RequestPrefix, topics: &[RefusedTopic]) -> Result<Bytes, ResponseError> {
    match prefix.api_key {
        versions::PRODUCE => alone::<ProduceResponse>(prefix, topics),
        versions::DELETE_TOPICS => alone::<DeleteTopicsResponse>(prefix, topics),
        versions::DELETE_RECORDS => alone::<DeleteRecordsResponse>(prefix, topics),
        versions::CREATE_PARTITIONS => alone::<CreatePartitionsResponse>(prefix, topics),
        versions::ALTER_CONFIGS => alone::<AlterConfigsResponse>(prefix, topics),
        _ => alone::<IncrementalAlterConfigsResponse>(prefix, topics),
    }
}

/// Error message for a batch with a producer id that is reserved for mirroring.
const FORGED: &str = "Producer ids from 2^62 on are reserved for mirroring";

/// Returns the whole response to a Produce request in which a batch has a reserved producer id. `reserved`
/// finds the partitions with such a batch. Every partition gets INVALID_RECORD, which no client library
/// retries.
///
/// # Errors
/// The errors of [`frame`].
pub(crate) fn produce_forged(
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

/// First DeleteTopics version whose response has an error message.
const DELETE_TOPICS_WITH_MESSAGE: i16 = 5;

impl AddRefused for DeleteTopicsResponse {
    fn add(&mut self, refused: &[RefusedTopic], version: i16) {
        let entry = |topic: &RefusedTopic| {
            let mut entry = DeletableTopicResult::default().with_error_code(READ_ONLY.0);
            // Names the topic as the client did: for an id that it does not delete, the broker gives no name
            // either (`ControllerApis.deleteTopics`).
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
