//! No response reveals a broker's address.

use bytes::Bytes;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeClusterRequest,
    DescribeClusterResponse, FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse, ProduceResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
    ShareFetchRequest, ShareFetchResponse, TopicName, api_versions_response, fetch_response,
    produce_response, share_acknowledge_response, share_fetch_response,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use uuid::Uuid;

use crate::gateway::tests::fixture::{Fixture, answer, request, response};
use crate::gateway::tests::produce::produce;

const SECRET: &str = "broker.internal";

fn secret() -> StrBytes {
    StrBytes::from_static_str(SECRET)
}

/// Sends a request and the broker's response through the gateway. Returns what the client reads.
async fn through<M: Decodable>(
    fixture: &Fixture,
    key: ApiKey,
    version: i16,
    ask: &impl Encodable,
    reply: &impl Encodable,
) -> M {
    let sent = request(key, version, 77, ask);
    let (mut client, mut broker, received) = fixture.connected(&sent).await;
    assert_eq!(received, sent);
    broker.send(&response(key, version, 77, reply)).await;
    let frame = client.receive().await;
    let leak = frame.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(!leak, "{key:?} v{version} names a broker");
    answer(frame, key, version, 77)
}

macro_rules! node {
    ($type:ty, $id:expr) => {
        <$type>::default().with_node_id(BrokerId($id)).with_host(secret()).with_port(19091)
    };
}

macro_rules! addresses {
    ($nodes:expr) => {
        $nodes.iter().map(|node| (node.node_id.0, node.host.to_string(), node.port)).collect::<Vec<_>>()
    };
}

fn gate(ids: &[i32]) -> Vec<(i32, String, i32)> {
    ids.iter().map(|id| (*id, "gate.example".to_owned(), 9093 + id)).collect()
}

#[tokio::test]
async fn metadata_names_the_gateway_and_leaves_out_a_broker_without_a_port() {
    let fixture = Fixture::start().await;
    for version in 0..=13 {
        let mut topic =
            MetadataResponseTopic::default().with_name(Some(TopicName(StrBytes::from_static_str("plain"))));
        if version >= 10 {
            topic.topic_id = Uuid::from_u128(1234);
        }
        let rack = (version >= 1).then(|| StrBytes::from_static_str("rack-a"));
        let broker = |id| node!(MetadataResponseBroker, id).with_rack(rack.clone());
        let reply = MetadataResponse::default()
            .with_brokers([1, 250, 60_000].map(broker).to_vec())
            .with_topics(vec![topic]);
        let ask = MetadataRequest::default().with_topics(Some(Vec::new()));
        let read: MetadataResponse = through(&fixture, ApiKey::Metadata, version, &ask, &reply).await;
        assert_eq!(addresses!(read.brokers), gate(&[1, 250]), "v{version}");
        assert_eq!(read.topics, reply.topics);
        assert!(read.brokers.iter().all(|broker| broker.rack == rack), "v{version}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_coordinator_is_found_at_the_gateway() {
    let fixture = Fixture::start().await;
    for version in 0..=6 {
        let ask = FindCoordinatorRequest::default();
        let reply = if version < 4 {
            FindCoordinatorResponse::default().with_node_id(BrokerId(3)).with_host(secret()).with_port(19091)
        } else {
            let nowhere = Coordinator::default().with_node_id(BrokerId(-1)).with_port(-1).with_error_code(15);
            FindCoordinatorResponse::default().with_coordinators(vec![
                node!(Coordinator, 3),
                nowhere,
                node!(Coordinator, 60_000),
            ])
        };
        let read: FindCoordinatorResponse =
            through(&fixture, ApiKey::FindCoordinator, version, &ask, &reply).await;
        if version < 4 {
            assert_eq!(
                (read.node_id.0, read.host.as_str(), read.port),
                (3, "gate.example", 9096),
                "v{version}"
            );
        } else {
            let nowhere = (-1, String::new(), -1);
            assert_eq!(addresses!(read.coordinators), [gate(&[3]), vec![nowhere.clone(), nowhere]].concat());
            assert_eq!(read.coordinators[2].error_code, 15);
        }
    }
    let ask = FindCoordinatorRequest::default();
    let reply =
        FindCoordinatorResponse::default().with_node_id(BrokerId(-1)).with_port(-1).with_error_code(15);
    let read: FindCoordinatorResponse = through(&fixture, ApiKey::FindCoordinator, 3, &ask, &reply).await;
    assert_eq!(read, reply);
    fixture.stop().await;
}

#[tokio::test]
async fn describe_cluster_names_the_gateway() {
    let fixture = Fixture::start().await;
    for version in 0..=2 {
        let broker =
            DescribeClusterBroker::default().with_broker_id(BrokerId(2)).with_host(secret()).with_port(19091);
        let reply = DescribeClusterResponse::default().with_brokers(vec![broker]);
        let ask = DescribeClusterRequest::default();
        let read: DescribeClusterResponse =
            through(&fixture, ApiKey::DescribeCluster, version, &ask, &reply).await;
        let broker = &read.brokers[0];
        assert_eq!((broker.host.as_str(), broker.port), ("gate.example", 9095));
    }
    fixture.stop().await;
}

#[tokio::test]
async fn node_endpoints_name_the_gateway() {
    let fixture = Fixture::start().await;
    for version in 10..=13 {
        let reply = ProduceResponse::default().with_node_endpoints(vec![
            node!(produce_response::NodeEndpoint, 2),
            node!(produce_response::NodeEndpoint, 60_000),
        ]);
        let ask = produce(version, 1, &["plain"]);
        let read: ProduceResponse = through(&fixture, ApiKey::Produce, version, &ask, &reply).await;
        assert_eq!(addresses!(read.node_endpoints), gate(&[2]), "produce v{version}");
    }
    for version in 16..=18 {
        let reply = FetchResponse::default().with_node_endpoints(vec![
            node!(fetch_response::NodeEndpoint, 60_000),
            node!(fetch_response::NodeEndpoint, 2),
        ]);
        let ask = FetchRequest::default();
        let read: FetchResponse = through(&fixture, ApiKey::Fetch, version, &ask, &reply).await;
        assert_eq!(addresses!(read.node_endpoints), gate(&[2]), "fetch v{version}");
    }
    let reply =
        ShareFetchResponse::default().with_node_endpoints(vec![node!(share_fetch_response::NodeEndpoint, 2)]);
    let ask = ShareFetchRequest::default();
    let read: ShareFetchResponse = through(&fixture, ApiKey::ShareFetch, 1, &ask, &reply).await;
    assert_eq!(addresses!(read.node_endpoints), gate(&[2]));

    let reply = ShareAcknowledgeResponse::default()
        .with_node_endpoints(vec![node!(share_acknowledge_response::NodeEndpoint, 2)]);
    let ask = ShareAcknowledgeRequest::default();
    let read: ShareAcknowledgeResponse = through(&fixture, ApiKey::ShareAcknowledge, 1, &ask, &reply).await;
    assert_eq!(addresses!(read.node_endpoints), gate(&[2]));
    fixture.stop().await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_passed_on() {
    let fixture = Fixture::start().await;
    let ask = request(ApiKey::Metadata, 9, 1, &MetadataRequest::default());
    let (mut client, mut broker, _) = fixture.connected(&ask).await;
    broker.send(b"\0\0\0\x01\0\0\0\0\0\x02\0\0\0\x01\x40broker.internal").await;
    client.closed().await;
    fixture.stop().await;
}

fn broker_versions() -> ApiVersionsResponse {
    let api = |key: i16, min: i16, max: i16| {
        api_versions_response::ApiVersion::default()
            .with_api_key(key)
            .with_min_version(min)
            .with_max_version(max)
    };
    ApiVersionsResponse::default().with_api_keys(vec![
        api(0, 0, 20),
        api(1, 4, 18),
        api(18, 0, 4),
        api(500, 0, 1),
    ])
}

#[tokio::test]
async fn api_versions_are_those_that_both_understand() {
    let fixture = Fixture::start().await;
    for version in 0..=4 {
        let mut ask = ApiVersionsRequest::default();
        if version >= 3 {
            ask.client_software_name = StrBytes::from_static_str("test");
            ask.client_software_version = StrBytes::from_static_str("1");
        }
        let read: ApiVersionsResponse =
            through(&fixture, ApiKey::ApiVersions, version, &ask, &broker_versions()).await;
        let keys: Vec<_> = read.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
        assert_eq!(keys, [(0, 0, 13), (1, 4, 18), (18, 0, 4)]);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_too_new_api_versions_request_is_answered_in_version_0() {
    let fixture = Fixture::start().await;
    // Version 9: nothing here can read its body.
    let ask = Bytes::from_static(b"\0\x12\0\x09\0\0\0\x4d\0\x04test\0\x03??");
    let (mut client, mut broker, received) = fixture.connected(&ask).await;
    assert_eq!(received, &b"\0\x12\0\0\0\0\0\x4d\xff\xff"[..]);
    broker.send(&response(ApiKey::ApiVersions, 0, 77, &broker_versions())).await;
    let read: ApiVersionsResponse = answer(client.receive().await, ApiKey::ApiVersions, 0, 77);
    assert_eq!(read.error_code, 35);
    assert!(read.api_keys.iter().any(|key| (key.api_key, key.max_version) == (18, 4)));
    fixture.stop().await;
}
