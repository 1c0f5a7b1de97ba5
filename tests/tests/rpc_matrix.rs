//! Every API in every version that the gateway offers: arbitrary valid requests and responses leave it as
//! they came, byte for byte, except for deliberate rewrites.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linkgate_tests::kafka::Version;
use linkgate_tests::rpc::{self, Field, Kind, Schema, Schemas};
use proxy::internals::ClientError;
use proxy::internals::HostPort;
use proxy::internals::{APIS, Api, Treatment, versions};
use proxy::internals::{BrokerDirectory, Gateway, GatewayOptions, Limits};
use serde_json::{Value, json};
use state::model::{KafkaUuid, TopicGuard, TopicGuards, Written};
use tokio_util::sync::CancellationToken;

/// Number of samples for each version of each API.
const SAMPLES: usize = 6;
/// Address that the gateway tells clients.
const HOST: &str = "gate.example";
const PORT: u16 = 9000;
const SECOND: Duration = Duration::from_secs(20);

struct Nobody;

impl BrokerDirectory for Nobody {
    fn brokers(&self) -> futures::future::BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// A gateway in this process, in front of a broker that the test plays itself.
struct Stage {
    broker: TcpListener,
    gateway: SocketAddr,
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
}

impl Stage {
    fn start(guards: TopicGuards) -> Stage {
        let broker = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = broker.local_addr().expect("it is bound").port();
        let options = GatewayOptions {
            bootstrap_servers: vec![HostPort::new("127.0.0.1", port)],
            listen_host: "127.0.0.1".into(),
            listen_port: 0,
            advertised_host: HOST.into(),
            advertised_port: Some(PORT),
            listener_tls: None,
            sasl: false,
            broker_tls: None,
            limits: Limits::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let stop = CancellationToken::new();
        let (_, watched) = tokio::sync::watch::channel(Arc::new(guards));
        let mut registry = Default::default();
        let gateway = Gateway::new(options, Arc::new(Nobody), watched, &mut registry);
        let handle = runtime.block_on(gateway.run(stop.clone())).expect("the gateway listens");
        Stage { broker, gateway: handle.bootstrap_address(), runtime, stop }
    }

    fn client(&self) -> TcpStream {
        let stream = TcpStream::connect(self.gateway).expect("the gateway listens");
        stream.set_read_timeout(Some(SECOND)).expect("a timeout");
        stream
    }

    fn accept(&self) -> TcpStream {
        let (stream, _) = self.broker.accept().expect("the gateway connects");
        stream.set_read_timeout(Some(SECOND)).expect("a timeout");
        stream
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = &self.runtime;
    }
}

fn send(stream: &mut TcpStream, frame: &[u8]) {
    let size = (frame.len() as u32).to_be_bytes();
    stream.write_all(&[&size[..], frame].concat()).expect("the peer reads");
}

fn receive(stream: &mut TcpStream, what: &str) -> Bytes {
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut frame).unwrap_or_else(|e| panic!("{what}: {e}"));
    frame.into()
}

/// Rules for request fields: every request gets an answer. Random names never match the mirror topic.
fn request_rules(structure: &str, field: &Field, rng: &mut fastrand::Rng) -> Option<Value> {
    match (structure, field.name.as_str()) {
        // With acks=0 there would be no answer.
        ("", "Acks") => Some(json!(-1)),
        ("", "Mechanism") => Some(json!("PLAIN")),
        // Random text, but not an empty one: some versions refuse an empty name.
        (_, "ClientSoftwareName" | "ClientSoftwareVersion") => {
            Some(json!((0..5).map(|_| rng.alphanumeric()).collect::<String>()))
        }
        _ => None,
    }
}

/// Rules for response fields: broker ids that have a port at the gateway, a host name, and valid API
/// versions.
fn response_rules(_: &str, field: &Field, rng: &mut fastrand::Rng) -> Option<Value> {
    match field.name.as_str() {
        "NodeId" | "BrokerId" if field.kind == Kind::Int32 => Some(json!(rng.i32(0..1000))),
        "Host" => Some(json!(format!("broker{}", rng.u8(..)))),
        "ApiKey" if field.kind == Kind::Int16 => Some(json!(rng.i16(0..100))),
        "MinVersion" => Some(json!(rng.i16(0..4))),
        "MaxVersion" => Some(json!(rng.i16(4..20))),
        _ => None,
    }
}

/// Returns the body that a client of the gateway must read.
fn rewritten(api: &Api, mut body: Value) -> Value {
    match api.key {
        versions::PRODUCE
        | versions::FETCH
        | versions::METADATA
        | versions::FIND_COORDINATOR
        | versions::DESCRIBE_CLUSTER
        | versions::SHARE_FETCH
        | versions::SHARE_ACKNOWLEDGE => readdress(&mut body),
        versions::API_VERSIONS => {
            let all = body["ApiKeys"].as_array_mut().expect("there are versions");
            *all = all.iter().filter_map(common).collect();
        }
        versions::DESCRIBE_QUORUM => {
            for node in body["Nodes"].as_array_mut().into_iter().flatten() {
                node["Listeners"] = json!([]);
            }
        }
        _ => {}
    }
    body
}

fn readdress(body: &mut Value) {
    match body {
        Value::Array(elements) => elements.iter_mut().for_each(readdress),
        Value::Object(fields) => {
            let id = fields.get("NodeId").or(fields.get("BrokerId")).and_then(Value::as_i64);
            if let (Some(id), true) = (id, fields.contains_key("Host")) {
                let _ = fields.insert("Host".into(), json!(HOST));
                let _ = fields.insert("Port".into(), json!(i64::from(PORT) + 1 + id));
            }
            fields.values_mut().for_each(readdress);
        }
        _ => {}
    }
}

fn common(offered: &Value) -> Option<Value> {
    let number = |name: &str| offered[name].as_i64().expect("a number") as i16;
    let api = versions::api(number("ApiKey"))?;
    let (min, max) = (number("MinVersion").max(api.min), number("MaxVersion").min(api.max));
    let mut both = offered.clone();
    both["MinVersion"] = json!(min);
    both["MaxVersion"] = json!(max);
    (min <= max).then_some(both)
}

/// Sends all samples of one version over one connection. Returns their number.
fn samples(stage: &Stage, api: &Api, request: &Schema, response: &Schema, version: i16, seed: u64) -> usize {
    let mut client = stage.client();
    let mut broker = None;
    for sample in 0..SAMPLES {
        let what = format!("{} v{version}, sample {sample}, seed {seed}", api.name);
        let mut rng = fastrand::Rng::with_seed(seed + sample as u64);
        let correlation_id = rng.i32(..);
        let client_id = rng.bool().then_some("a client");
        let body = rpc::generate(&request.fields, version, &mut rng, &request_rules);
        let asked = rpc::request(request, version, correlation_id, client_id, &body);
        send(&mut client, &asked);
        let broker = broker.get_or_insert_with(|| stage.accept());
        assert!(receive(broker, &what) == asked, "{what}: another request came out: {body}");

        let mut body = rpc::generate(&response.fields, version, &mut rng, &response_rules);
        if api.key == versions::API_VERSIONS {
            body["ErrorCode"] = json!(0);
        }
        let answered = rpc::response(response, version, correlation_id, &body);
        if sample == 0 && [api.min, api.max].contains(&version) {
            keep(api, version, &asked, &answered);
        }
        send(broker, &answered);
        let expected = rpc::response(response, version, correlation_id, &rewritten(api, body.clone()));
        let got = receive(&mut client, &what);
        if got != expected {
            let read = rpc::read_response(response, version, &got);
            let expected = rpc::read_response(response, version, &expected);
            panic!("{what}: sent {body}\nread {read:?}\nnot  {expected:?}");
        }
    }
    SAMPLES
}

/// Writes a sample to the folder `LINKGATE_CORPUS`, if that is set, as input for the fuzzers.
fn keep(api: &Api, version: i16, asked: &[u8], answered: &[u8]) {
    let Some(folder) = std::env::var_os("LINKGATE_CORPUS").map(std::path::PathBuf::from) else { return };
    let write = |target: &str, content: &[u8]| {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder).expect("the folder is writable");
        std::fs::write(folder.join(format!("{}-{version}", api.name)), content)
            .expect("the folder is writable");
    };
    if api.treatment != Treatment::Pass && asked.len() < 2_000 && answered.len() < 2_000 {
        write("requests", asked);
        write("answers", &[&api.key.to_be_bytes(), &version.to_be_bytes(), answered].concat());
        write("session", &[&(asked.len() as u32).to_be_bytes(), asked].concat());
    }
}

fn matrix(guards: TopicGuards) {
    let newest = Schemas::of(Version::V4_3_1);
    let older = Schemas::of(Version::V3_9_1);
    let stage = Stage::start(guards);
    let seed = 2026;
    let (mut versions, mut messages) = (0, 0);
    for api in APIS {
        for version in api.min..=api.max {
            let knows = |schemas: &&Schemas| {
                schemas.requests.get(&api.key).is_some_and(|schema| schema.versions.contains(&version))
            };
            // A version that neither has is gone from all brokers, or exists only because some clients ask
            // for it.
            let Some(schemas) = [&newest, &older].into_iter().find(knows) else {
                println!("{} v{version} is of no pinned broker", api.name);
                continue;
            };
            // Always refused: batches of a format before v2, and SASL tokens without headers where there is
            // no SASL.
            let refused_below = match api.key {
                versions::PRODUCE => versions::PRODUCE_READABLE_FROM,
                versions::SASL_HANDSHAKE => 1,
                _ => 0,
            };
            if version < refused_below {
                continue;
            }
            versions += 1;
            let (request, response) = (&schemas.requests[&api.key], &schemas.responses[&api.key]);
            messages += 2 * samples(&stage, api, request, response, version, seed);
        }
    }
    println!("{} apis, {versions} versions, {messages} messages", APIS.len());
    assert!(versions > 200, "{versions} versions are not all");
}

#[test]
fn every_version_of_every_api_passes_a_gateway_without_mirror_topics() {
    matrix(TopicGuards::default());
}

#[test]
fn every_version_of_every_api_passes_a_gateway_with_mirror_topics() {
    let guard = TopicGuard {
        topic: "a-mirror-topic".into(),
        topic_id: KafkaUuid::random(),
        link: "dr".into(),
        read_only: true,
        locked_configs: Arc::default(),
        written: Written::default(),
    };
    matrix(TopicGuards::from_guards([guard]));
}
