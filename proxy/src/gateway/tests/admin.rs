//! Requests of administrators that would change mirror topics are refused, in every version.

use std::sync::Arc;

use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalResource, AlterableConfig as IncrementalConfig,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, ApiKey, CreatePartitionsRequest, CreatePartitionsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ProduceRequest, ProduceResponse,
    ProducerId, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use kafka_protocol::protocol::StrBytes;
use state::model::{KafkaUuid, STAMP_TOPIC, TopicGuards, View};

use crate::gateway::tests::fixture::{Fixture, answer, request, response};

fn text(value: &str) -> StrBytes {
    StrBytes::from(value.to_owned())
}

fn name(value: &str) -> TopicName {
    TopicName(text(value))
}

/// Asserts that the message names the topic, the link and a way out.
fn explains(message: Option<&StrBytes>) {
    let message = message.expect("there is a message").as_str();
    for part in ["mirror topic", "mirror", "link 'dr'"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(message.contains("promote") || message.contains("Use IncrementalAlterConfigs"), "{message}");
}

fn deleting(topics: &[&str]) -> DeleteRecordsRequest {
    let partition = DeleteRecordsPartition::default().with_partition_index(3).with_offset(50);
    let topic = |topic: &&str| {
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition.clone()])
    };
    DeleteRecordsRequest::default().with_topics(topics.iter().map(topic).collect())
}

#[tokio::test]
async fn records_of_mirror_topics_are_not_deleted_and_those_of_others_are() {
    let fixture = Fixture::start().await;
    let key = ApiKey::DeleteRecords;
    for version in 0..=2 {
        let mut client = fixture.client().await;
        client.send(&request(key, version, 1, &deleting(&["mirror"]))).await;
        let refused: DeleteRecordsResponse = answer(client.receive().await, key, version, 1);
        let result = &refused.topics[0].partitions[0];
        assert_eq!((result.partition_index, result.error_code, result.low_watermark), (3, 42, -1));

        client.send(&request(key, version, 2, &deleting(&["plain", "mirror", "promoted"]))).await;
        let mut broker = fixture.accept().await;
        assert_eq!(broker.receive().await, request(key, version, 2, &deleting(&["plain", "promoted"])));
        let done = DeleteRecordsPartitionResult::default().with_partition_index(3).with_low_watermark(50);
        let done = DeleteRecordsTopicResult::default().with_name(name("plain")).with_partitions(vec![done]);
        let sent = DeleteRecordsResponse::default().with_topics(vec![done.clone()]);
        broker.send(&response(key, version, 2, &sent)).await;
        let merged: DeleteRecordsResponse = answer(client.receive().await, key, version, 2);
        assert_eq!(merged.topics.len(), 2);
        assert_eq!(merged.topics[0], done);
        assert_eq!(
            (merged.topics[1].name.as_str(), merged.topics[1].partitions[0].error_code),
            ("mirror", 42)
        );
    }
    assert_eq!(fixture.metrics.refused_requests_of("DeleteRecords", "mirror"), 6);
    fixture.stop().await;
}

fn removing(topics: &[&str], version: i16) -> DeleteTopicsRequest {
    if version >= 6 {
        let state = |topic: &&str| DeleteTopicState::default().with_name(Some(name(topic)));
        return DeleteTopicsRequest::default().with_topics(topics.iter().map(state).collect());
    }
    DeleteTopicsRequest::default().with_topic_names(topics.iter().map(|topic| name(topic)).collect())
}

#[tokio::test]
async fn linkgates_own_topic_cannot_be_written_or_altered_or_deleted() {
    // Given a journal that knows no mirror topic
    let fixture = Fixture::start().await;
    let own = KafkaUuid::random();
    fixture.guards.send(Arc::new(TopicGuards::of(&View::default(), own))).unwrap();
    let key = ApiKey::DeleteTopics;
    // The codec does not know version 0: the connection is closed.
    for version in 1..=6 {
        let mut client = fixture.client().await;
        // When it is to be deleted among others, then the others are.
        client.send(&request(key, version, 1, &removing(&["mirror", STAMP_TOPIC], version))).await;
        let mut broker = fixture.accept().await;
        assert_eq!(broker.receive().await, request(key, version, 1, &removing(&["mirror"], version)));
        let done = DeletableTopicResult::default().with_name(Some(name("mirror")));
        let sent = DeleteTopicsResponse::default().with_responses(vec![done.clone()]);
        broker.send(&response(key, version, 1, &sent)).await;
        let merged: DeleteTopicsResponse = answer(client.receive().await, key, version, 1);
        assert_eq!(merged.responses[0], done);
        let refused = &merged.responses[1];
        assert_eq!((refused.name.as_ref().unwrap().as_str(), refused.error_code), (STAMP_TOPIC, 42));
        if version >= 5 {
            assert!(refused.error_message.as_ref().unwrap().contains("Linkgate's own"));
        }
        // And if it is the only one, then nothing is sent on.
        client.send(&request(key, version, 2, &removing(&[STAMP_TOPIC], version))).await;
        let refused: DeleteTopicsResponse = answer(client.receive().await, key, version, 2);
        assert_eq!(refused.responses[0].error_code, 42);
    }
    // It cannot be deleted by its id either. Linkgate knows the id from the brokers, not from requests of
    // clients.
    let mut client = fixture.client().await;
    let by_id = DeleteTopicState::default().with_name(None).with_topic_id(own.0);
    client.send(&request(key, 6, 2, &DeleteTopicsRequest::default().with_topics(vec![by_id]))).await;
    let refused: DeleteTopicsResponse = answer(client.receive().await, key, 6, 2);
    assert_eq!(refused.responses[0].error_code, 42);
    let mut client = fixture.client().await;
    let key = ApiKey::IncrementalAlterConfigs;
    client.send(&request(key, 1, 3, &altering(&[(2, STAMP_TOPIC, "anything")]))).await;
    let refused: IncrementalAlterConfigsResponse = answer(client.receive().await, key, 1, 3);
    assert_eq!(refused.responses[0].error_code, 42);
    assert!(refused.responses[0].error_message.as_ref().unwrap().contains("Linkgate's own"));
    let key = ApiKey::DeleteRecords;
    client.send(&request(key, 2, 4, &deleting(&[STAMP_TOPIC]))).await;
    let refused: DeleteRecordsResponse = answer(client.receive().await, key, 2, 4);
    assert_eq!(refused.topics[0].partitions[0].error_code, 42);
    let key = ApiKey::CreatePartitions;
    client.send(&request(key, 3, 5, &growing(&[STAMP_TOPIC]))).await;
    let refused: CreatePartitionsResponse = answer(client.receive().await, key, 3, 5);
    assert_eq!(refused.results[0].error_code, 42);
    let key = ApiKey::Produce;
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(vec![0; 80].into()));
    let topic = TopicProduceData::default().with_name(name(STAMP_TOPIC)).with_partition_data(vec![partition]);
    let produce = ProduceRequest::default().with_acks(1).with_topic_data(vec![topic]);
    client.send(&request(key, 9, 6, &produce)).await;
    let refused: ProduceResponse = answer(client.receive().await, key, 9, 6);
    let refused = &refused.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, 42);
    assert!(refused.error_message.as_ref().unwrap().contains("Linkgate's own"));
    fixture.stop().await;
}

fn growing(topics: &[&str]) -> CreatePartitionsRequest {
    let topic = |topic: &&str| CreatePartitionsTopic::default().with_name(name(topic)).with_count(9);
    CreatePartitionsRequest::default().with_topics(topics.iter().map(topic).collect())
}

#[tokio::test]
async fn mirror_topics_get_no_partitions_and_others_do() {
    let fixture = Fixture::start().await;
    let key = ApiKey::CreatePartitions;
    for version in 0..=3 {
        let mut client = fixture.client().await;
        client.send(&request(key, version, 1, &growing(&["mirror", "plain"]))).await;
        let mut broker = fixture.accept().await;
        assert_eq!(broker.receive().await, request(key, version, 1, &growing(&["plain"])));
        broker.send(&response(key, version, 1, &CreatePartitionsResponse::default())).await;
        let merged: CreatePartitionsResponse = answer(client.receive().await, key, version, 1);
        assert_eq!((merged.results[0].name.as_str(), merged.results[0].error_code), ("mirror", 42));
        explains(merged.results[0].error_message.as_ref());
    }
    fixture.stop().await;
}

fn altering(resources: &[(i8, &str, &str)]) -> IncrementalAlterConfigsRequest {
    let resource = |(kind, resource, config): &(i8, &str, &str)| {
        let config = IncrementalConfig::default().with_name(text(config)).with_value(Some(text("5")));
        IncrementalResource::default()
            .with_resource_type(*kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config])
    };
    IncrementalAlterConfigsRequest::default().with_resources(resources.iter().map(resource).collect())
}

#[tokio::test]
async fn configs_that_follow_the_source_are_locked_and_others_are_free() {
    let fixture = Fixture::start().await;
    let key = ApiKey::IncrementalAlterConfigs;
    // The fixture's link locks retention.ms. A broker may have any name, even that of a mirror topic.
    let free = [
        (2, "mirror", "follower.replication.throttled.replicas"),
        (2, "promoted", "retention.ms"),
        (2, "plain", "retention.ms"),
        (4, "mirror", "retention.ms"),
    ];
    for version in 0..=1 {
        let mut client = fixture.client().await;
        let all = [&free[..], &[(2, "mirror", "retention.ms")]].concat();
        client.send(&request(key, version, 1, &altering(&all))).await;
        let mut broker = fixture.accept().await;
        assert_eq!(broker.receive().await, request(key, version, 1, &altering(&free)));
        broker.send(&response(key, version, 1, &IncrementalAlterConfigsResponse::default())).await;
        let merged: IncrementalAlterConfigsResponse = answer(client.receive().await, key, version, 1);
        let refused = &merged.responses[0];
        assert_eq!(
            (refused.error_code, refused.resource_type, refused.resource_name.as_str()),
            (42, 2, "mirror")
        );
        explains(refused.error_message.as_ref());
        let message = refused.error_message.as_ref().unwrap().as_str();
        let confluents = "Cannot modify mirror topic mirror because 'retention.ms' are set to always sync";
        assert!(message.starts_with(confluents), "{message}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn replacing_all_configs_of_a_mirror_topic_is_refused() {
    let fixture = Fixture::start().await;
    let key = ApiKey::AlterConfigs;
    let config = AlterableConfig::default().with_name(text("flush.ms")).with_value(Some(text("5")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("mirror"))
        .with_configs(vec![config]);
    let ask = AlterConfigsRequest::default().with_resources(vec![resource]);
    for version in 0..=2 {
        let mut client = fixture.client().await;
        client.send(&request(key, version, 1, &ask)).await;
        let refused: AlterConfigsResponse = answer(client.receive().await, key, version, 1);
        assert_eq!(refused.responses[0].error_code, 42);
        explains(refused.responses[0].error_message.as_ref());
    }
    fixture.stop().await;
}

#[tokio::test]
async fn markers_of_administrators_are_refused_for_mirror_topics() {
    let fixture = Fixture::start().await;
    let key = ApiKey::WriteTxnMarkers;
    let ask = |topics: &[&str]| {
        let topic = |topic: &&str| {
            WritableTxnMarkerTopic::default().with_name(name(topic)).with_partition_indexes(vec![0])
        };
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(8))
            .with_topics(topics.iter().map(topic).collect());
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    };
    for version in [1] {
        let mut client = fixture.client().await;
        client.send(&request(key, version, 1, &ask(&["plain", "mirror"]))).await;
        let refused: WriteTxnMarkersResponse = answer(client.receive().await, key, version, 1);
        let topics = &refused.markers[0].topics;
        let codes: Vec<_> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
        assert_eq!(codes, [55, 42]);

        let allowed = request(key, version, 2, &ask(&["plain", "promoted"]));
        client.send(&allowed).await;
        assert_eq!(fixture.accept().await.receive().await, allowed);
    }
    // The codec does not know version 0: a marker for partition 6 of `mirror`, encoded by hand.
    let mut client = fixture.client().await;
    let mut ask = b"\0\x1b\0\0\0\0\0\x05\xff\xff".to_vec();
    ask.extend_from_slice(
        b"\0\0\0\x01\0\0\0\0\0\0\0\x08\0\0\x01\0\0\0\x01\0\x06mirror\0\0\0\x01\0\0\0\x06\0\0\0\0",
    );
    client.send(&ask).await;
    let refused = b"\0\0\0\x05\0\0\0\x01\0\0\0\0\0\0\0\x08\0\0\0\x01\0\x06mirror\0\0\0\x01\0\0\0\x06\0\x2a";
    assert_eq!(client.receive().await, &refused[..]);
    fixture.stop().await;
}
