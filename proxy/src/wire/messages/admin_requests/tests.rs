use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalResource, AlterableConfig as IncrementalConfig,
};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AlterConfigsRequest, ApiKey, BrokerId, CreatePartitionsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest, ProducerId, RequestHeader,
    TopicName, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;

use crate::wire::messages::admin_requests::*;

fn text(value: &str) -> StrBytes {
    StrBytes::from(value.to_owned())
}

fn name(value: &str) -> TopicName {
    TopicName(text(value))
}

fn frame(key: ApiKey, version: i16, body: &impl Encodable) -> Bytes {
    let mut out = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_client_id(Some(text("me")))
        .encode(&mut out, key.request_header_version(version))
        .unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}

fn delete_topics(topics: &[&str], version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(5);
    if version >= 6 {
        let state = |topic: &&str| DeleteTopicState::default().with_name(Some(name(topic)));
        return request.with_topics(topics.iter().map(state).collect());
    }
    request.with_topic_names(topics.iter().map(|topic| name(topic)).collect())
}

fn delete_records(topics: &[&str]) -> DeleteRecordsRequest {
    let partition = |index| DeleteRecordsPartition::default().with_partition_index(index).with_offset(90);
    let topic = |topic: &&str| {
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition(0), partition(7)])
    };
    DeleteRecordsRequest::default().with_topics(topics.iter().map(topic).collect()).with_timeout_ms(5)
}

fn create_partitions(topics: &[&str]) -> CreatePartitionsRequest {
    let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
    let topic = |topic: &&str| {
        CreatePartitionsTopic::default().with_name(name(topic)).with_count(9).with_assignments(
            topic.starts_with('a').then(|| vec![assignment.clone(), CreatePartitionsAssignment::default()]),
        )
    };
    CreatePartitionsRequest::default().with_topics(topics.iter().map(topic).collect())
}

fn alter_configs(topics: &[&str]) -> AlterConfigsRequest {
    let config = |name, value: Option<&str>| {
        AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    let resource = |topic: &&str| {
        AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(topic))
            .with_configs(vec![config("retention.ms", Some("5")), config("cleanup.policy", None)])
    };
    AlterConfigsRequest::default().with_resources(topics.iter().map(resource).collect())
}

fn incremental(topics: &[&str]) -> IncrementalAlterConfigsRequest {
    let config = |name, value: Option<&str>| {
        IncrementalConfig::default()
            .with_name(text(name))
            .with_config_operation(1)
            .with_value(value.map(text))
    };
    let resource = |topic: &&str| {
        IncrementalResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(topic))
            .with_configs(vec![config("retention.ms", Some("5")), config("cleanup.policy", None)])
    };
    IncrementalAlterConfigsRequest::default().with_resources(topics.iter().map(resource).collect())
}

fn add_partitions(topics: &[&str]) -> AddPartitionsToTxnRequest {
    let topic =
        |topic: &&str| AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(vec![4, 5]);
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_topics(topics.iter().map(topic).collect())
        .with_v3_and_below_producer_id(ProducerId(3))
}

fn markers(topics: &[&str]) -> WriteTxnMarkersRequest {
    let topic = |topic: &&str| {
        WritableTxnMarkerTopic::default().with_name(name(topic)).with_partition_indexes(vec![1, 2])
    };
    let marker = |id| {
        WritableTxnMarker::default()
            .with_producer_id(ProducerId(id))
            .with_topics(topics.iter().map(topic).collect())
    };
    WriteTxnMarkersRequest::default().with_markers(vec![marker(8), marker(9)])
}

const ALL: [&str; 3] = ["alpha", "be", "c"];
const REST: [&str; 2] = ["alpha", "c"];

/// Returns each request twice: with all three topics, and with the two that are kept.
fn samples() -> Vec<(ApiKey, i16, Bytes, Bytes)> {
    let mut all = Vec::new();
    for v in 0..=2 {
        let key = ApiKey::DeleteRecords;
        all.push((key, v, frame(key, v, &delete_records(&ALL)), frame(key, v, &delete_records(&REST))));
        let key = ApiKey::AlterConfigs;
        all.push((key, v, frame(key, v, &alter_configs(&ALL)), frame(key, v, &alter_configs(&REST))));
    }
    for v in 0..=3 {
        let key = ApiKey::CreatePartitions;
        all.push((key, v, frame(key, v, &create_partitions(&ALL)), frame(key, v, &create_partitions(&REST))));
        let key = ApiKey::AddPartitionsToTxn;
        all.push((key, v, frame(key, v, &add_partitions(&ALL)), frame(key, v, &add_partitions(&REST))));
    }
    // The codec does not know version 0. Its requests are equal to those of version 1.
    for v in 1..=6 {
        let key = ApiKey::DeleteTopics;
        all.push((key, v, frame(key, v, &delete_topics(&ALL, v)), frame(key, v, &delete_topics(&REST, v))));
    }
    for v in 0..=1 {
        let key = ApiKey::IncrementalAlterConfigs;
        all.push((key, v, frame(key, v, &incremental(&ALL)), frame(key, v, &incremental(&REST))));
    }
    all
}

/// Returns the names of the entries, and the frame without the entry `be`.
fn walked(key: ApiKey, version: i16, frame: &Bytes) -> Result<(Vec<String>, Vec<u8>), WireError> {
    let mut names = Vec::new();
    let named = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => name.as_str().to_owned(),
        TopicRef::Id(id) => format!("{id:?}"),
    };
    if key == ApiKey::DeleteTopics {
        let kept = read_delete_topics(frame, version, |topic| {
            names.push(named(&topic));
            Ok(named(&topic) != "be")
        })?;
        return Ok((names, kept.pieces(frame).concat()));
    }
    let mut is_not_be = |name: &Text| {
        names.push(name.as_str().to_owned());
        Ok(name.as_str() != "be")
    };
    let kept = match key {
        ApiKey::DeleteRecords => read_delete_records(frame, version, |topic| is_not_be(&topic.name)),
        ApiKey::CreatePartitions => read_create_partitions(frame, version, |name| is_not_be(&name)),
        ApiKey::AddPartitionsToTxn => read_added_partitions(frame, version, |topic| is_not_be(&topic.name)),
        _ => read_alter_configs(frame, key as i16, version, |resource| is_not_be(&resource.name)),
    }?;
    Ok((names, kept.pieces(frame).concat()))
}

/// Reads all markers of a request.
fn markers_of(frame: &Bytes, version: i16) -> Result<Vec<TxnMarker>, WireError> {
    let mut all = Vec::new();
    let _ = read_txn_markers(frame, version, |marker| {
        all.push(marker);
        Ok(true)
    })?;
    Ok(all)
}

#[test]
fn every_version_reads_all_topics_and_leaving_one_out_equals_the_oracles_encoding() {
    for (key, version, all, rest) in samples() {
        let (names, kept) = walked(key, version, &all).unwrap_or_else(|e| panic!("{key:?} v{version}: {e}"));
        assert_eq!(names, ALL, "{key:?} v{version}");
        assert_eq!(kept, rest, "{key:?} v{version}");
    }
}

#[test]
fn partitions_and_configs_are_passed_to_the_callback() {
    let deleted = frame(ApiKey::DeleteRecords, 2, &delete_records(&ALL));
    let has = |partitions: [i32; 2]| move |topic: TopicPartitions| Ok(topic.partitions == partitions);
    assert!(read_delete_records(&deleted, 2, has([0, 7])).unwrap().is_all());
    let added = frame(ApiKey::AddPartitionsToTxn, 3, &add_partitions(&ALL));
    assert!(read_added_partitions(&added, 3, has([4, 5])).unwrap().is_all());
    let altered = frame(ApiKey::IncrementalAlterConfigs, 1, &incremental(&ALL));
    let mut seen = 0;
    let read = read_alter_configs(&altered, 44, 1, |resource| {
        assert_eq!(resource.kind, TOPIC_RESOURCE);
        let names: Vec<_> = resource.configs.iter().map(Text::as_str).collect();
        assert_eq!(names, ["retention.ms", "cleanup.policy"]);
        seen += 1;
        Ok(true)
    });
    assert!(read.is_ok() && seen == ALL.len());
}

#[test]
fn topics_to_delete_may_be_named_by_id() {
    let state = DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::from_u128(7));
    let request = DeleteTopicsRequest::default().with_topics(vec![state]);
    let id = TopicRef::Id(*uuid::Uuid::from_u128(7).as_bytes());
    let read = read_delete_topics(&frame(ApiKey::DeleteTopics, 6, &request), 6, |topic| Ok(topic == id));
    assert!(read.unwrap().is_all());
}

#[test]
fn markers_have_their_producer_ids_topics_and_partitions() {
    // The codec knows only this version.
    for version in [1] {
        let sent = frame(ApiKey::WriteTxnMarkers, version, &markers(&ALL));
        let read = markers_of(&sent, version).unwrap();
        assert_eq!(read.iter().map(|marker| marker.producer_id).collect::<Vec<_>>(), [8, 9]);
        let names: Vec<_> = read[1].topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ALL);
        assert_eq!(read[0].topics[2].partitions, [1, 2]);
        for cut in 0..sent.len() {
            assert!(markers_of(&sent.slice(..cut), version).is_err());
        }
    }
}

#[test]
fn every_truncation_and_every_longer_frame_is_an_error() {
    for (key, version, all, _) in samples() {
        for cut in 0..all.len() {
            assert!(walked(key, version, &all.slice(..cut)).is_err(), "{key:?} v{version} at {cut}");
        }
        let longer: Bytes = [&all[..], &[0]].concat().into();
        assert!(walked(key, version, &longer).is_err(), "{key:?} v{version}");
    }
}

#[test]
fn more_elements_than_allowed_are_refused() {
    let mut request = delete_records(&["t"]);
    request.topics[0].partitions = vec![DeleteRecordsPartition::default(); MAX_ELEMENTS];
    let read = read_delete_records(&frame(ApiKey::DeleteRecords, 2, &request), 2, |_| Ok(true));
    assert!(matches!(read, Err(WireError::TooMany { .. })));
}

proptest! {
    #[test]
    fn one_changed_byte_never_panics(which: proptest::sample::Index, at: proptest::sample::Index, value: u8) {
        let samples = samples();
        let (key, version, all, _) = &samples[which.index(samples.len())];
        let mut bytes = all.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = walked(*key, *version, &bytes.into());
    }

    #[test]
    fn arbitrary_bytes_never_panic(version in -1i16..7, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for key in [
            ApiKey::DeleteTopics,
            ApiKey::DeleteRecords,
            ApiKey::CreatePartitions,
            ApiKey::AlterConfigs,
            ApiKey::IncrementalAlterConfigs,
            ApiKey::AddPartitionsToTxn,
        ] {
            let _ = walked(key, version, &bytes);
        }
        let _ = markers_of(&bytes, version);
    }
}
