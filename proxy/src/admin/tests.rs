//! The REST API through a real listener, in front of an in-memory journal and a double of the mirror side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use state::model::{
    Change, ConnectionMode, KafkaUuid, Link, LinkError, LinkMode, LinkState, MirrorError, MirrorState,
    MirrorTopic, Stop,
};
use state::store::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::mirror::handle::{
    ActionOutcome, CommandError, CreateLink, CreateMirror, MirrorAction, Selector, TaskStatus,
};
use crate::mirror::progress::PartitionProgress;

/// Remembers what it was told, and refuses what concerns `broken`.
#[derive(Clone)]
struct Double {
    store: Store,
    told: Arc<Mutex<Vec<String>>>,
}

impl Double {
    fn tell(&self, what: String) -> Result<(), CommandError> {
        if what.contains("broken") {
            return Err(CommandError { status: 409, error_code: 40_902, message: "It is broken.".into() });
        }
        self.told.lock().unwrap().push(what);
        Ok(())
    }
}

impl Operator for Double {
    fn view(&self) -> Arc<View> {
        self.store.view()
    }

    fn progress(&self, topic: &str) -> Vec<PartitionProgress> {
        match topic {
            "users" => vec![PartitionProgress {
                log_end_offset: 90,
                source_high_watermark: 100,
                last_fetch_offset: 90,
                last_fetch_ms: 1,
                ..PartitionProgress::default()
            }],
            _ => Vec::new(),
        }
    }

    fn tasks(&self, _link: &str) -> Vec<TaskStatus> {
        let errors = vec![("CONSUMER_GROUP_IN_USE_ERROR".to_owned(), "app".to_owned())];
        vec![TaskStatus { name: "ConsumerOffsetSync", state: "IN_ERROR", errors }]
    }

    fn cluster_id(&self) -> String {
        "CID".into()
    }

    async fn create_link(&self, request: CreateLink) -> Result<(), CommandError> {
        self.tell(format!("{request:?}"))
    }

    async fn delete_link(&self, name: &str, force: bool, validate_only: bool) -> Result<(), CommandError> {
        self.tell(format!("delete {name} {force} {validate_only}"))
    }

    async fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Result<(), CommandError> {
        self.tell(format!("alter {name} {changes:?} {validate_only}"))
    }

    async fn create_mirror(&self, request: CreateMirror) -> Result<(), CommandError> {
        self.tell(format!("{request:?}"))
    }

    async fn alter_mirrors(
        &self,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
        validate_only: bool,
    ) -> Result<Vec<ActionOutcome>, CommandError> {
        self.tell(format!("{action:?} {link:?} {selector:?} {validate_only}"))?;
        let error =
            CommandError { status: 400, error_code: 400, message: "Topic 'old' has already stopped".into() };
        Ok(vec![
            ActionOutcome { topic: "users".into(), result: Ok(()), progress: self.progress("users") },
            ActionOutcome { topic: "old".into(), result: Err(error), progress: Vec::new() },
        ])
    }
}

struct Server {
    address: SocketAddr,
    double: Double,
    readiness: Readiness,
    stop: CancellationToken,
    handle: AdminHandle,
}

fn mirror(topic: &str, generation: u32, state: MirrorState) -> MirrorTopic {
    let text = json!({
        "link": "dr", "topic": topic, "source_topic": topic, "source_topic_id": KafkaUuid::ZERO,
        "local_topic_id": KafkaUuid::ZERO, "generation": generation, "partitions": 1, "stopped_sequence": 0,
        "state": state, "state_ms": 7,
        "configs": {}, "replication_factor": null,
    });
    serde_json::from_value(text).unwrap()
}

async fn server() -> Server {
    let store = Store::in_memory().unwrap();
    let link = Link {
        name: "dr".into(),
        id: "7840644d-f7d8-4844-a577-a10ef3df31df".parse().unwrap(),
        source_cluster_id: "SRC".into(),
        mode: LinkMode::Destination,
        connection_mode: ConnectionMode::Outbound,
        configs: BTreeMap::from([
            ("bootstrap.servers".into(), "src:9092".into()),
            ("sasl.jaas.config".into(), "the-hidden-word".into()),
        ]),
        state: LinkState::Active,
        error: LinkError::NoError,
        error_message: String::new(),
        generations: 3,
        created_ms: 0,
        state_ms: 0,
    };
    let failed = MirrorState::Failed {
        error: MirrorError::SourceTopicIdChanged,
        reason: "at offset 7".into(),
        partition: Some(0),
    };
    let stopped = MirrorState::Stopped { stop: Stop::Promote, log_end_offsets: vec![55] };
    let changes = vec![
        Change::PutLink(link),
        Change::PutMirror(mirror("users", 0, MirrorState::Active)),
        Change::PutMirror(mirror("bad", 1, failed)),
        Change::PutMirror(mirror("old", 2, stopped)),
    ];
    store.transact("test", "set up", move |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
    let double = Double { store, told: Arc::default() };
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let admin = Admin::new(double.clone(), Metrics::default(), readiness.clone());
    let listener = "http://127.0.0.1:0".parse().unwrap();
    let handle = admin.run(&[listener], stop.clone()).await.unwrap();
    Server { address: handle.addresses()[0], double, readiness, stop, handle }
}

struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Server {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gate:8090\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body that is refused need not be read to its end.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let field = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: field.unwrap_or_default().to_owned(),
            body: body.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    async fn accepted(&self, method: &str, path: &str, body: Value) -> String {
        let answer = self.ask(method, path, &body.to_string()).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{method} {path}");
        self.double.told.lock().unwrap().pop().unwrap()
    }
}

const LINKS: &str = "/kafka/v3/clusters/CID/links";

#[tokio::test]
async fn the_one_cluster_is_listed_under_both_prefixes() {
    let server = server().await;
    for prefix in ["/kafka/v3", "/v3"] {
        for slash in ["", "/"] {
            let list = server.get(&format!("{prefix}/clusters{slash}")).await;
            assert_eq!(list["kind"], "KafkaClusterList");
            assert_eq!(list["data"].as_array().unwrap().len(), 1);
            assert_eq!(list["data"][0]["cluster_id"], "CID");
            assert_eq!(list["data"][0]["metadata"]["self"], format!("http://gate:8090{prefix}/clusters/CID"));
        }
    }
    assert_eq!(server.get("/v3/clusters/CID").await["kind"], "KafkaCluster");
    let other = server.ask("GET", "/v3/clusters/X/links", "").await;
    assert_eq!(
        (other.status, other.json()),
        (404, json!({"error_code": 404, "message": "Cluster X cannot be found."}))
    );
}

#[tokio::test]
async fn links_are_shown_as_confluent_shows_them() {
    let server = server().await;
    let list = server.get(LINKS).await;
    assert_eq!((list["kind"].as_str(), &list["metadata"]["next"]), (Some("KafkaLinkDataList"), &Value::Null));
    let link = &list["data"][0];
    assert_eq!(link["link_name"], "dr");
    assert_eq!(link["cluster_link_id"], "eEBkTffYSESld6EO898x3w");
    assert_eq!(link["link_id"], "7840644d-f7d8-4844-a577-a10ef3df31df");
    assert_eq!((&link["link_state"], &link["link_error"]), (&json!("ACTIVE"), &json!("NO_ERROR")));
    assert_eq!(link["topic_names"], json!(["bad", "users"]));
    assert_eq!(link["tasks"], Value::Null);
    let counts = json!([
        {"state_category": "ACTIVE", "count": 1},
        {"state_category": "IN_ERROR", "count": 1},
        {"state_category": "NOT_APPLICABLE", "count": 1},
    ]);
    assert_eq!(link["category_counts"], counts);

    let with_tasks = server.get(&format!("{LINKS}/dr?include_tasks=true")).await;
    assert_eq!(with_tasks["tasks"][0]["task_name"], "ConsumerOffsetSync");
    assert_eq!(with_tasks["tasks"][0]["errors"][0]["error_code"], "CONSUMER_GROUP_IN_USE_ERROR");
    let missing = server.ask("GET", &format!("{LINKS}/lk"), "").await;
    let message = "The cluster link doesn't exist: Cluster link 'lk' does not exist.";
    assert_eq!((missing.status, missing.json()), (404, json!({"error_code": 404, "message": message})));
}

#[tokio::test]
async fn links_are_created_and_deleted() {
    let server = server().await;
    let body = json!({"source_cluster_id": "S", "configs": [
        {"name": "bootstrap.servers", "value": "src:9092"}, {"name": "acl.filters", "value": null}]});
    let told = server
        .accepted("POST", &format!("{LINKS}/?link_name=new%20one&validate_link=false"), body.clone())
        .await;
    assert!(told.contains("name: \"new one\"") && told.contains("validate_link: false"), "{told}");
    assert!(told.contains("{\"bootstrap.servers\": \"src:9092\"}") && told.contains("Some(\"S\")"), "{told}");
    assert_eq!(
        server.accepted("DELETE", &format!("{LINKS}/dr?force=true"), json!(null)).await,
        "delete dr true false"
    );

    let refused = server.ask("POST", &format!("{LINKS}?link_name=broken"), &body.to_string()).await;
    assert_eq!(
        (refused.status, refused.json()),
        (409, json!({"error_code": 40902, "message": "It is broken."}))
    );
    for (query, body) in [
        ("", body.clone()),
        ("?link_name=x&validate_only=maybe", body.clone()),
        ("?link_name=x", json!({"remote_cluster_id": "R"})),
        ("?link_name=x", json!({"configs": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]})),
        ("?link_name=x", json!({"configs": 7})),
    ] {
        let answer = server.ask("POST", &format!("{LINKS}{query}"), &body.to_string()).await;
        assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!(400)), "{query} {body}");
    }
}

#[tokio::test]
async fn link_configs_show_defaults_and_no_secret() {
    let server = server().await;
    let answer = server.ask("GET", &format!("{LINKS}/dr/configs"), "").await;
    assert!(!answer.body.contains("the-hidden-word"));
    let list = answer.json();
    let named =
        |name: &str| list["data"].as_array().unwrap().iter().find(|config| config["name"] == name).unwrap();
    let servers = named("bootstrap.servers");
    assert_eq!(
        (&servers["value"], &servers["source"]),
        (&json!("src:9092"), &json!("DYNAMIC_CLUSTER_LINK_CONFIG"))
    );
    let secret = named("sasl.jaas.config");
    assert_eq!(
        (&secret["value"], &secret["is_sensitive"], &secret["is_default"]),
        (&json!(""), &json!(true), &json!(false))
    );
    let period = server.get(&format!("{LINKS}/dr/configs/consumer.offset.sync.ms")).await;
    assert_eq!(
        (&period["value"], &period["default"], &period["read_only"]),
        (&json!("30000"), &json!(true), &json!(false))
    );
    assert_eq!(server.ask("GET", &format!("{LINKS}/dr/configs/nope"), "").await.status, 404);
}

#[tokio::test]
async fn link_configs_are_altered_together() {
    let server = server().await;
    let at = |rest: &str| format!("{LINKS}/dr/configs{rest}");
    let body = json!({"data": [{"name": "a", "value": "1", "operation": "SET"}, {"name": "b", "operation": "DELETE"},
        {"name": "c", "value": "3"}], "validate_only": true});
    let told = server.accepted("PUT", &at(":alter"), body.clone()).await;
    assert_eq!(told, r#"alter dr [("a", Some("1")), ("b", None), ("c", Some("3"))] true"#);
    assert_eq!(
        server.accepted("PUT", &at("/a"), json!({"value": "2"})).await,
        r#"alter dr [("a", Some("2"))] false"#
    );
    assert_eq!(server.accepted("DELETE", &at("/a"), json!(null)).await, r#"alter dr [("a", None)] false"#);
    let wrong_method = server.ask("POST", &at(":alter"), &body.to_string()).await;
    assert_eq!((wrong_method.status, &wrong_method.json()["error_code"]), (405, &json!(405)));
}

#[tokio::test]
async fn mirrors_are_listed_filtered_and_shown() {
    let server = server().await;
    for link in ["dr", "-"] {
        let all = server.get(&format!("{LINKS}/{link}/mirrors")).await;
        assert_eq!(all["data"].as_array().unwrap().len(), 3);
        let failed = server.get(&format!("{LINKS}/{link}/mirrors?mirror_status=failed")).await;
        assert_eq!(failed["data"].as_array().unwrap().len(), 1);
        assert_eq!(failed["data"][0]["mirror_topic_error"], "SOURCE_TOPIC_ID_CHANGED");
        assert_eq!(failed["data"][0]["linkgate"]["reason"], "at offset 7");
    }
    let users = server.get(&format!("{LINKS}/dr/mirrors/%75sers?include_state_transition_errors=true")).await;
    assert_eq!(users["mirror_lags"], json!([{"partition": 0, "lag": 10, "last_source_fetch_offset": 90}]));
    assert_eq!((&users["mirror_status"], &users["state_time_ms"]), (&json!("ACTIVE"), &json!(7)));
    assert_eq!(users["mirror_state_transition_errors"], json!([]));
    let old = server.get(&format!("{LINKS}/dr/mirrors/old")).await;
    assert_eq!(old["linkgate"]["partitions"][0]["local_log_end_offset"], 55);
    let missing = server.ask("GET", &format!("{LINKS}/dr/mirrors/nope"), "").await;
    assert_eq!(
        (missing.status, &missing.json()["message"]),
        (404, &json!("Topic 'nope' is not a mirror topic."))
    );
    assert_eq!(server.ask("GET", &format!("{LINKS}/dr/mirrors?mirror_status=NEW"), "").await.status, 400);
    assert_eq!(server.ask("GET", &format!("{LINKS}/lk/mirrors"), "").await.status, 404);
}

#[tokio::test]
async fn mirrors_are_created_and_altered() {
    let server = server().await;
    let mirrors = format!("{LINKS}/dr/mirrors");
    let body = json!({"source_topic_name": "t", "replication_factor": 3, "configs": [{"name": "retention.ms", "value": "1"}]});
    let told = server.accepted("POST", &format!("{mirrors}/"), body).await;
    assert!(told.contains("source_topic: \"t\", mirror_topic: None, replication_factor: Some(3)"), "{told}");
    assert_eq!(server.ask("POST", &mirrors, "{}").await.status, 400);

    let names = json!({"mirror_topic_names": ["users", "old"]});
    for (verb, action) in
        [("promote", "Promote"), ("failover", "Failover"), ("pause", "Pause"), ("resume", "Resume")]
    {
        let answer =
            server.ask("POST", &format!("{mirrors}:{verb}?validate_only=true"), &names.to_string()).await;
        assert_eq!(answer.status, 200);
        let told = server.double.told.lock().unwrap().pop().unwrap();
        assert_eq!(told, format!(r#"{action} Some("dr") Names(["users", "old"]) true"#));
        let data = &answer.json()["data"];
        assert_eq!((&data[0]["error_code"], &data[0]["mirror_lags"][0]["lag"]), (&Value::Null, &json!(10)));
        assert_eq!((&data[1]["error_code"], &data[1]["mirror_lags"]), (&json!(400), &json!([])));
        assert_eq!(data[1]["error_message"], "Topic 'old' has already stopped");
    }
    let all = json!({"mirror_topic_name_pattern": ".*"});
    assert_eq!(server.ask("POST", &format!("{LINKS}/-/mirrors:pause"), &all.to_string()).await.status, 200);
    assert_eq!(server.double.told.lock().unwrap().pop().unwrap(), r#"Pause None Pattern(".*") false"#);
    let both = json!({"mirror_topic_names": [], "mirror_topic_name_pattern": ".*"});
    for body in [both, json!({})] {
        assert_eq!(server.ask("POST", &format!("{mirrors}:pause"), &body.to_string()).await.status, 400);
    }
    assert_eq!(server.ask("POST", &format!("{LINKS}/lk/mirrors:pause"), &all.to_string()).await.status, 404);
}

#[tokio::test]
async fn whatever_comes_is_answered_with_json() {
    let server = server().await;
    let large = "x".repeat((1 << 20) + 1);
    for (method, path, body, status) in [
        ("GET", "/", "", 404),
        ("GET", "/kafka/v3/nothing", "", 404),
        ("DELETE", "/kafka/v3/clusters", "", 405),
        ("GET", "/kafka/v3/clusters/CID/links//configs", "", 400),
        ("GET", "/kafka/v3/clusters/CID/links/%ff", "", 400),
        ("POST", "/kafka/v3/clusters/CID/links?link_name=x", "{", 400),
        ("POST", "/kafka/v3/clusters/CID/links?link_name=x", "", 400),
        ("POST", "/kafka/v3/clusters/CID/links?link_name=x", large.as_str(), 413),
    ] {
        let answer = server.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.json()["error_code"], status);
    }
    assert!(server.double.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn health_tells_what_is_missing() {
    let server = server().await;
    assert_eq!(server.get("/health/live").await, json!({"status": "live"}));
    let waiting = server.ask("GET", "/health/ready", "").await;
    assert_eq!((waiting.status, &waiting.json()["waits_for"]), (503, &json!(["gateway"])));
    server.readiness.gateway_listens();
    assert_eq!(server.get("/health/ready").await, json!({"status": "ready"}));
    server.readiness.draining();
    assert_eq!(server.ask("GET", "/health/ready", "").await.status, 503);
    let metrics = server.ask("GET", "/metrics", "").await;
    assert!(metrics.content_type.starts_with("application/openmetrics-text"));
    assert!(metrics.body.contains("linkgate_journal_sequence 1"), "{}", metrics.body);
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.handle.stopped()).await.unwrap();
}

#[tokio::test]
async fn every_documented_operation_is_served_and_every_schema_is_there() {
    let server = server().await;
    let document = server.get("/openapi.json").await;
    for operation in openapi::operations() {
        let path =
            operation.path.replace("{cluster}", "CID").replace("{link}", "dr").replace("{topic}", "users");
        let path = format!("/v3{}", path.replace("{name}", "acl.filters"));
        let answer = server.ask(&operation.method.to_ascii_uppercase(), &path, "{}").await;
        assert!(![404, 405].contains(&answer.status), "{} {path}: {}", operation.method, answer.status);
        assert!(document["paths"][operation.path][operation.method].is_object());
    }
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][reference].is_object(), "{reference}");
    }
}

/// The document changes only on purpose: `UPDATE_SNAPSHOTS=1 cargo test -p linkgate-proxy openapi` writes it anew.
#[test]
fn the_openapi_document_is_the_one_on_record() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let text = serde_json::to_string_pretty(&openapi::build()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
}
