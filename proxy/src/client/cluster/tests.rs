use crate::client::metadata_requests::topic_name;
use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreateTopicsResponse, FindCoordinatorResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetCommitResponse,
};
use kafka_protocol::protocol::Decodable;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::client::admin::{GroupOffset, Isolation};
use crate::client::cluster::*;
use crate::client::test_support::{Scripted, ScriptedRequest, encoded, options};
use crate::client::types::OffsetSpec;

fn created(asked: &ScriptedRequest, code: ErrorCode) -> bytes::Bytes {
    let topic = CreatableTopicResult::default().with_name(topic_name("new")).with_error_code(code.0);
    encoded(&CreateTopicsResponse::default().with_topics(vec![topic]), asked.version)
}

#[tokio::test]
async fn a_call_follows_the_controller() {
    // Given a cluster whose metadata names controller 0, while the controller is 1.
    let scripted = Scripted::start(2, |asked| {
        let code = if asked.node == 1 { ErrorCode::NONE } else { ErrorCode::NOT_CONTROLLER };
        Some(created(asked, code))
    })
    .await;
    let _before = scripted.cluster.metadata(None).await.unwrap();
    *scripted.leader.lock().unwrap() = 1;
    // When a topic is created.
    let new = scripted.cluster.create_topic("new", 1, None, &BTreeMap::new(), false).await;
    // Then the second attempt goes to 1.
    assert!(new.is_ok(), "{new:?}");
    assert_eq!(scripted.asked(0, ApiKey::CreateTopics), 1);
    assert_eq!(scripted.asked(1, ApiKey::CreateTopics), 1);
}

#[tokio::test]
async fn permanent_errors_are_returned_immediately_and_retriable_ones_after_all_attempts() {
    for (code, attempts) in [(ErrorCode::INVALID_CONFIG, 1), (ErrorCode::NOT_CONTROLLER, ATTEMPTS as usize)] {
        let scripted = Scripted::start(1, move |asked| Some(created(asked, code))).await;
        let error = scripted.cluster.create_topic("new", 1, None, &BTreeMap::new(), false).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!(scripted.asked(0, ApiKey::CreateTopics), attempts);
    }
}

#[tokio::test]
async fn list_offsets_names_the_known_leader_epoch() {
    // Given a leader whose epoch differs from that in the metadata: it refuses the known epoch.
    let scripted = Scripted::start(1, |asked| {
        let mut body = asked.body.clone();
        let request = ListOffsetsRequest::decode(&mut body, asked.version).ok()?;
        let topics = request.topics.iter().map(|topic| {
            let code = match topic.partitions[0].current_leader_epoch {
                7 => ErrorCode::UNKNOWN_LEADER_EPOCH,
                _ => ErrorCode::NONE,
            };
            let partition = ListOffsetsPartitionResponse::default().with_error_code(code.0).with_offset(40);
            ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(vec![partition])
        });
        Some(encoded(&ListOffsetsResponse::default().with_topics(topics.collect()), asked.version))
    })
    .await;
    let _before = scripted.cluster.metadata(None).await.unwrap();
    // Then its offset is not used.
    let wanted = vec![("t".to_owned(), 0, OffsetSpec::Latest)];
    let answers = scripted.cluster.list_offsets(wanted, Isolation::ReadUncommitted).await;
    let error = answers[&("t".to_owned(), 0)].clone().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_LEADER_EPOCH));
}

#[tokio::test]
async fn list_offsets_asks_the_leader_and_retries_only_failed_partitions() {
    // Given topics `t` and `u`, cached with leader 0. The leader is now 1, and 0 refuses `u`.
    let scripted = Scripted::start(2, |asked| {
        let mut body = asked.body.clone();
        let request = ListOffsetsRequest::decode(&mut body, asked.version).unwrap();
        let refuse = asked.node == 0;
        let topics = request.topics.iter().map(|topic| {
            let code = if refuse && topic.name.as_str() == "u" {
                ErrorCode::NOT_LEADER_OR_FOLLOWER
            } else {
                ErrorCode::NONE
            };
            let partition = ListOffsetsPartitionResponse::default()
                .with_error_code(code.0)
                .with_offset(40 + i64::from(asked.node));
            ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(vec![partition])
        });
        Some(encoded(&ListOffsetsResponse::default().with_topics(topics.collect()), asked.version))
    })
    .await;
    let _before = scripted.cluster.metadata(None).await.unwrap();
    *scripted.leader.lock().unwrap() = 1;
    let wanted = ["t", "u"].map(|topic| (topic.to_owned(), 0, OffsetSpec::Latest)).into();
    let answers = scripted.cluster.list_offsets(wanted, Isolation::ReadUncommitted).await;
    let offset = |topic: &str| answers[&(topic.to_owned(), 0)].as_ref().unwrap().offset;
    assert_eq!((offset("t"), offset("u")), (40, 41));
    assert_eq!(scripted.asked(0, ApiKey::ListOffsets), 1);
    assert_eq!(scripted.asked(1, ApiKey::ListOffsets), 1);
}

#[tokio::test]
async fn a_commit_follows_the_coordinator() {
    // Given a coordinator that moves from 0 to 1 when it is first used.
    let moved = std::sync::atomic::AtomicBool::new(false);
    let scripted = Scripted::start(2, move |asked| {
        use std::sync::atomic::Ordering::SeqCst;
        Some(match asked.api {
            ApiKey::FindCoordinator => {
                let node = BrokerId(i32::from(moved.load(SeqCst)));
                let found = vec![Coordinator::default().with_node_id(node)];
                encoded(&FindCoordinatorResponse::default().with_coordinators(found), asked.version)
            }
            _ => {
                moved.store(true, SeqCst);
                let code = if asked.node == 1 { ErrorCode::NONE } else { ErrorCode::NOT_COORDINATOR };
                let partition = OffsetCommitResponsePartition::default().with_error_code(code.0);
                let topic = OffsetCommitResponseTopic::default()
                    .with_name(topic_name("t"))
                    .with_partitions(vec![partition]);
                encoded(&OffsetCommitResponse::default().with_topics(vec![topic]), asked.version)
            }
        })
    })
    .await;
    let offset = GroupOffset { topic: "t".into(), partition: 0, offset: 5, metadata: String::new() };
    let outcomes = scripted.cluster.commit_group_offsets("g", &[offset]).await.unwrap();
    assert!(outcomes[&("t".to_owned(), 0)].is_ok());
    assert_eq!(scripted.asked(0, ApiKey::OffsetCommit), 1);
    assert_eq!(scripted.asked(1, ApiKey::OffsetCommit), 1);
}

#[tokio::test]
async fn callers_share_one_connection_and_a_dedicated_one_is_separate() {
    let scripted = Scripted::start(1, |_| None).await;
    let _ = scripted.cluster.metadata(None).await.unwrap();
    let asked = futures::future::join_all((0..20).map(|_| scripted.cluster.broker(0))).await;
    assert!(asked.iter().all(Result::is_ok));
    assert_eq!(scripted.asked(0, ApiKey::ApiVersions), 1);
    let _own = scripted.cluster.dedicated(0).await.unwrap();
    assert_eq!(scripted.asked(0, ApiKey::ApiVersions), 2);
    assert!(matches!(
        scripted.cluster.broker(9).await.unwrap_err().kind(),
        ErrorKind::UnknownBroker { id: 9 }
    ));
}

#[tokio::test]
async fn a_dead_broker_is_not_dialled_again_at_once() {
    // Given an address without a listener.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    drop(listener);
    let slow = ClientOptions { reconnect_backoff: Duration::from_secs(3600), ..options() };
    let cluster =
        Cluster::new(vec![address.clone()], ClientOptions { reconnect_backoff_max: Duration::MAX, ..slow });
    let first = cluster.any().await.unwrap_err();
    // When a listener opens there during the backoff.
    let _listener = TcpListener::bind((address.host.as_str(), address.port)).await.unwrap();
    // Then callers get the old error immediately.
    let started = Instant::now();
    let second = cluster.any().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(first.to_string(), second.to_string());
    assert!(matches!(second.kind(), ErrorKind::Connect { .. }), "{second}");
}

#[tokio::test]
async fn any_returns_a_broker_that_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    drop(listener);
    let scripted = Scripted::start(1, |_| None).await;
    let cluster = Cluster::new(vec![dead, scripted.addresses[0].clone()], options());
    for _ in 0..5 {
        assert_eq!(cluster.any().await.unwrap().address(), &scripted.addresses[0]);
    }
    assert_eq!(scripted.asked(0, ApiKey::ApiVersions), 1);
}

#[test]
fn futures_may_move_between_threads() {
    fn check<T: Send>(_: impl FnOnce(&'static Cluster) -> T) {}
    check(|cluster| cluster.metadata(None));
    check(|cluster| cluster.create_topic("t", 1, None, const { &BTreeMap::new() }, false));
    check(|cluster| cluster.delete_topic("t"));
    check(|cluster| cluster.describe_topic_configs(&[]));
    check(|cluster| cluster.list_offsets(vec![], Isolation::ReadCommitted));
    check(|cluster| cluster.end_offset_for_epoch("t", 0, None));
    check(|cluster| cluster.describe_producers("t", 0));
    check(|cluster| cluster.list_groups());
    check(|cluster| cluster.describe_group("g"));
    check(|cluster| cluster.fetch_group_offsets("g", None));
    check(|cluster| cluster.commit_group_offsets("g", &[]));
    check(|cluster| cluster.describe_cluster());
}

#[tokio::test]
async fn an_operation_ends_at_its_api_timeout() {
    let scripted = Scripted::start(1, |_| None).await;
    let hasty = ClientOptions { api_timeout: Duration::from_millis(200), ..options() };
    let cluster = Cluster::new(scripted.addresses.clone(), hasty);
    let begun = Instant::now();
    let silent = cluster.retrying::<(), _>(None, std::future::pending).await.unwrap_err();
    assert!(matches!(silent.kind(), ErrorKind::Timeout { .. }), "{silent}");
    let silent_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", silent_listener.local_addr().unwrap().port());
    let nobody = Cluster::new(vec![address], cluster.options().clone());
    let silent = nobody.metadata(Some(&[])).await.unwrap_err();
    assert!(matches!(silent.kind(), ErrorKind::Timeout { .. }), "{silent}");
    // The last error is more informative than a timeout
    let refused = || async {
        let kind = ErrorKind::Lost { address: HostPort::new("h", 1), reason: "gone".into() };
        Err::<(), _>(ClientError::new(Side::Source, kind))
    };
    let lost = cluster.retrying(None, refused).await.unwrap_err();
    assert!(matches!(lost.kind(), ErrorKind::Lost { .. }), "{lost}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
