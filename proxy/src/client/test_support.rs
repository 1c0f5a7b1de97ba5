//! A scripted cluster for unit tests: real sockets, and answers from a closure. Other tests cover real
//! brokers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, BrokerId, MetadataResponse};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::error::Side;
use crate::client::metadata_requests::topic_name;
use crate::client::{ClientOptions, Cluster};
use crate::net::HostPort;
use crate::net::frame::read_frame;

/// A request to a scripted broker.
pub(crate) struct ScriptedRequest {
    pub(crate) node: i32,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) body: Bytes,
}

type ScriptedAnswer = dyn Fn(&ScriptedRequest) -> Option<Bytes> + Send + Sync;

/// Brokers 0 to n-1. They answer ApiVersions and Metadata by themselves.
pub(crate) struct Scripted {
    pub(crate) cluster: Cluster,
    pub(crate) addresses: Vec<HostPort>,
    /// Leader of partition 0 of every topic, and controller, in the following metadata answers.
    pub(crate) leader: Arc<Mutex<i32>>,
    /// Cluster id in the following metadata answers; empty for none.
    cluster_id: Arc<Mutex<String>>,
    /// Node and API of every request, including Metadata and ApiVersions.
    pub(crate) log: Arc<Mutex<Vec<(i32, ApiKey)>>>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Starts `brokers` brokers. `answer` returns the body of a response; `None` leaves the request
    /// unanswered.
    pub(crate) async fn start(
        brokers: usize,
        answer: impl Fn(&ScriptedRequest) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let but_metadata =
            move |asked: &ScriptedRequest| (asked.api != ApiKey::Metadata).then(|| answer(asked))?;
        Self::saying_all(brokers, but_metadata).await
    }

    /// Starts brokers whose script also answers Metadata. If it returns `None` for Metadata, the broker
    /// answers by itself.
    pub(crate) async fn saying_all(
        brokers: usize,
        answer: impl Fn(&ScriptedRequest) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let answer: Arc<ScriptedAnswer> = Arc::new(answer);
        let (leader, log) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(Vec::new())));
        let cluster_id = Arc::new(Mutex::new(String::new()));
        let mut listeners = Vec::new();
        for _ in 0..brokers {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses: Vec<_> = listeners
            .iter()
            .map(|listener| HostPort::new("127.0.0.1", listener.local_addr().unwrap().port()))
            .collect();
        let mut tasks = JoinSet::new();
        for (node, listener) in (0..).zip(listeners) {
            let (answer, leader, log) = (Arc::clone(&answer), Arc::clone(&leader), Arc::clone(&log));
            let (addresses, cluster_id) = (addresses.clone(), Arc::clone(&cluster_id));
            let _ = tasks.spawn(async move {
                let mut sessions = JoinSet::new();
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let (answer, leader, log) = (Arc::clone(&answer), Arc::clone(&leader), Arc::clone(&log));
                    let (addresses, cluster_id) = (addresses.clone(), Arc::clone(&cluster_id));
                    let _ = sessions.spawn(async move {
                        while let Ok(mut frame) = read_frame(&mut stream, 1 << 20).await {
                            let api = ApiKey::try_from(frame.get_i16()).unwrap();
                            let version = frame.get_i16();
                            let correlation_id = frame.get_i32();
                            let client_id = frame.get_i16() as usize;
                            frame.advance(client_id + usize::from(api.request_header_version(version) >= 2));
                            log.lock().unwrap().push((node, api));
                            let asked = ScriptedRequest { node, api, version, body: frame };
                            let body = match api {
                                ApiKey::ApiVersions => Some(versions(version)),
                                ApiKey::Metadata => answer(&asked).or_else(|| {
                                    let cluster_id = cluster_id.lock().unwrap().clone();
                                    Some(metadata(&asked, &addresses, *leader.lock().unwrap(), cluster_id))
                                }),
                                _ => answer(&asked),
                            };
                            let Some(body) = body else { continue };
                            let head = 4 + usize::from(api.response_header_version(version) >= 1);
                            let mut out = BytesMut::new();
                            out.put_i32((head + body.len()) as i32);
                            out.put_i32(correlation_id);
                            out.put_bytes(0, head - 4);
                            out.put_slice(&body);
                            stream.write_all(&out).await.unwrap();
                        }
                    });
                }
            });
        }
        let cluster = Cluster::new(addresses.clone(), options());
        Scripted { cluster, addresses, leader, cluster_id, log, _tasks: tasks }
    }

    /// Sets the cluster id that all brokers answer from now on.
    pub(crate) fn names_cluster(&self, id: &str) {
        id.clone_into(&mut self.cluster_id.lock().unwrap());
    }

    /// Returns the number of requests of this API to a node.
    pub(crate) fn asked(&self, node: i32, api: ApiKey) -> usize {
        self.log.lock().unwrap().iter().filter(|entry| **entry == (node, api)).count()
    }
}

pub(crate) fn options() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        ..ClientOptions::new(Side::Source)
    }
}

pub(crate) fn encoded(message: &impl Encodable, version: i16) -> Bytes {
    let mut body = BytesMut::new();
    message.encode(&mut body, version).unwrap();
    body.freeze()
}

fn versions(version: i16) -> Bytes {
    let apis = (0..100).filter_map(|key| ApiKey::try_from(key).ok()).map(|api| {
        let range = api.valid_versions();
        ApiVersion::default().with_api_key(api as i16).with_min_version(range.min).with_max_version(range.max)
    });
    encoded(&ApiVersionsResponse::default().with_api_keys(apis.collect()), version)
}

/// Builds an answer with topics `t` and `u` of one partition each, whatever topics were asked for.
fn metadata(asked: &ScriptedRequest, addresses: &[HostPort], leader: i32, cluster_id: String) -> Bytes {
    let brokers = (0..).zip(addresses).map(|(node, address)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(node))
            .with_host(StrBytes::from_string(address.host.clone()))
            .with_port(i32::from(address.port))
    });
    let topics = ["t", "u"].map(|name| {
        let partition =
            MetadataResponsePartition::default().with_leader_id(BrokerId(leader)).with_leader_epoch(7);
        MetadataResponseTopic::default().with_name(Some(topic_name(name))).with_partitions(vec![partition])
    });
    let response = MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_controller_id(BrokerId(leader))
        .with_cluster_id(Some(cluster_id).filter(|id| !id.is_empty()).map(StrBytes::from_string))
        .with_topics(topics.into());
    encoded(&response, asked.version)
}
