//! Scripted brokers that know one group, for tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, BrokerId, FindCoordinatorResponse, GroupId, ListGroupsResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use state::model::{Change, Fencing, Link};
use state::store::Store;

use crate::client::test_support::{Scripted, ScriptedRequest, encoded, options};
use crate::client::{ClientOptions, Cluster};
use crate::mirror::clusters::SourceClusters;
use crate::mirror::progress::ProgressTable;
use crate::mirror::sync::offsets::last::*;
use crate::mirror::sync::task_status::TaskTable;
use crate::mirror::test_support::{link, mirror};
use crate::wire::protocol::error_code::ErrorCode;

/// Answers of a scripted broker with one group `g`.
#[derive(Clone, Default)]
pub(crate) struct Says {
    /// Committed offset or error, by topic. A missing topic does not exist.
    positions: BTreeMap<&'static str, Result<i64, ErrorCode>>,
    /// Topic and offset of each commit.
    pub(crate) commits: Arc<Mutex<Vec<(String, i64)>>>,
    port: Arc<Mutex<u16>>,
    /// Partition 1 of each topic has no leader.
    leaderless: bool,
    /// While set, ListGroups gets no answer.
    pub(crate) silent: Arc<AtomicBool>,
}

fn decode<T: Decodable>(asked: &ScriptedRequest) -> T {
    T::decode(&mut asked.body.clone(), asked.version).unwrap()
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

impl Says {
    pub(crate) fn of<const N: usize>(positions: [(&'static str, Result<i64, ErrorCode>); N]) -> Self {
        Says { positions: positions.into(), ..Says::default() }
    }

    pub(crate) fn leaderless<const N: usize>(positions: [(&'static str, Result<i64, ErrorCode>); N]) -> Self {
        Says { leaderless: true, ..Says::of(positions) }
    }

    pub(crate) async fn start(&self) -> Scripted {
        let says = self.clone();
        let scripted = Scripted::saying_all(1, move |asked| says.answer(asked)).await;
        *self.port.lock().unwrap() = scripted.addresses[0].port;
        scripted
    }

    fn answer(&self, asked: &ScriptedRequest) -> Option<Bytes> {
        let version = asked.version;
        Some(match asked.api {
            ApiKey::Metadata => encoded(&self.metadata(), version),
            ApiKey::ListGroups if self.silent.load(Relaxed) => return None,
            ApiKey::ListGroups => {
                let group = ListedGroup::default().with_group_id(GroupId(StrBytes::from_static_str("g")));
                encoded(&ListGroupsResponse::default().with_groups(vec![group]), version)
            }
            ApiKey::FindCoordinator => encoded(&self.coordinator(version), version),
            ApiKey::OffsetFetch => encoded(&self.fetched(&decode(asked)), version),
            ApiKey::OffsetCommit => encoded(&self.committed(&decode(asked)), version),
            ApiKey::Produce => encoded(&produced(), version),
            ApiKey::ListOffsets => encoded(&ends(&decode(asked)), version),
            _ => return None,
        })
    }

    fn metadata(&self) -> MetadataResponse {
        let broker = MetadataResponseBroker::default()
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(*self.port.lock().unwrap()));
        let topics = ["t", "u"].map(|topic| {
            let found = MetadataResponseTopic::default().with_name(Some(name(topic)));
            if self.positions.contains_key(topic) {
                let partitions = [0, 1].map(|index| {
                    let leader = if index == 1 && self.leaderless { -1 } else { 0 };
                    MetadataResponsePartition::default()
                        .with_partition_index(index)
                        .with_leader_id(BrokerId(leader))
                        .with_leader_epoch(7)
                });
                found.with_partitions(partitions.into())
            } else {
                found.with_error_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0)
            }
        });
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(StrBytes::from_static_str("source")))
            .with_topics(topics.into())
    }

    fn coordinator(&self, version: i16) -> FindCoordinatorResponse {
        let (host, port) = (StrBytes::from_static_str("127.0.0.1"), i32::from(*self.port.lock().unwrap()));
        if version >= 4 {
            let found = Coordinator::default()
                .with_key(StrBytes::from_static_str("g"))
                .with_host(host)
                .with_port(port);
            return FindCoordinatorResponse::default().with_coordinators(vec![found]);
        }
        FindCoordinatorResponse::default().with_host(host).with_port(port)
    }

    fn fetched(&self, request: &OffsetFetchRequest) -> OffsetFetchResponse {
        let asked = request.groups[0].topics.iter().flatten();
        let topics = asked.map(|topic| {
            let said = self.positions.get(topic.name.as_str()).copied().unwrap_or(Ok(-1));
            let partition = OffsetFetchResponsePartitions::default()
                .with_committed_offset(said.unwrap_or(-1))
                .with_error_code(said.map_or_else(|code| code.0, |_| 0));
            OffsetFetchResponseTopics::default()
                .with_name(topic.name.clone())
                .with_partitions(vec![partition])
        });
        let group = OffsetFetchResponseGroup::default()
            .with_group_id(GroupId(StrBytes::from_static_str("g")))
            .with_topics(topics.collect());
        OffsetFetchResponse::default().with_groups(vec![group])
    }

    fn committed(&self, request: &OffsetCommitRequest) -> OffsetCommitResponse {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let commit = (topic.name.to_string(), partition.committed_offset);
                self.commits.lock().unwrap().push(commit);
                OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index)
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

/// Returns an answer by which partition 0 took a batch at offset 7.
fn produced() -> ProduceResponse {
    let partition = PartitionProduceResponse::default().with_base_offset(7);
    let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
    ProduceResponse::default().with_responses(vec![topic])
}

/// Returns an answer by which every log ends at offset 10.
fn ends(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_offset(10)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Creates the sync of a link with the mirrors `t` and `u`, which are being stopped.
pub(crate) async fn syncer(source: &Scripted, destination: &Scripted, stop: StopKind) -> OffsetSync {
    let filters = r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;
    let bootstrap = source.addresses[0].to_string();
    let configs = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("consumer.offset.sync.enable", "true"),
        ("consumer.offset.group.filters", filters),
    ];
    let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let store = Store::in_memory().unwrap();
    let stopping = |topic: &str, generation| MirrorTopic {
        generation,
        fencing: Fencing::Done { log_end_offsets: vec![10, 10] },
        ..mirror("dr", topic, MirrorState::PendingStopped { stop })
    };
    let changes = vec![
        Change::PutLink(Link { configs, generations: 2, ..link("dr") }),
        Change::PutMirror(stopping("t", 0)),
        Change::PutMirror(stopping("u", 1)),
    ];
    store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
    let progress = ProgressTable::default();
    for cell in ["t", "u"].iter().flat_map(|topic| progress.topic(topic, 2)) {
        cell.update(|progress| progress.log_end_offset = 10);
    }
    let sources = SourceClusters::default();
    // A broker that does not answer is asked again soon.
    let options = ClientOptions { request_timeout: Duration::from_millis(500), ..options() };
    let destination = Cluster::new(destination.addresses.clone(), options);
    OffsetSync::new(store, destination, sources, progress, TaskTable::default())
}
