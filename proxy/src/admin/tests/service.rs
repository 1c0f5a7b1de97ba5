//! Requests that concern no link: the cluster, malformed requests, health and metrics.

use std::time::Duration;

use serde_json::json;

use crate::admin::tests::fixture::server;

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
async fn related_resources_of_a_cluster_answer_501() {
    let server = server().await;
    let cluster = server.get("/v3/clusters/CID").await;
    let mut asked = 0;
    for (name, value) in cluster.as_object().unwrap() {
        let Some(url) = value["related"].as_str() else { continue };
        let path = url.strip_prefix("http://gate:8090").unwrap();
        let answer = server.ask("GET", path, "").await;
        assert_eq!(answer.status, 501, "{name}: {path}");
        assert!(answer.json()["message"].as_str().unwrap().contains("ask the brokers"), "{}", answer.body);
        asked += 1;
    }
    assert_eq!(asked, 7);
    assert_eq!(server.ask("DELETE", "/v3/clusters/CID/topics/users", "").await.status, 501);
    assert_eq!(server.ask("GET", "/v3/clusters/X/topics", "").await.status, 404);
    assert_eq!(server.ask("GET", "/v3/clusters/CID/nothing", "").await.status, 404);
}

#[tokio::test]
async fn every_error_is_answered_with_json() {
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
    server.double.told.lock().unwrap().push("disk hangs".into());
    let troubled = json!({"status": "ready", "troubles": ["the disk hangs"]});
    assert_eq!(server.get("/health/ready").await, troubled);
    assert!(server.ask("GET", "/metrics", "").await.body.contains("linkgate_journal_writable 0"));
    server.double.told.lock().unwrap().clear();
    server.readiness.draining();
    assert_eq!(server.ask("GET", "/health/ready", "").await.status, 503);
    let metrics = server.ask("GET", "/metrics", "").await;
    assert!(metrics.content_type.starts_with("application/openmetrics-text"));
    assert!(metrics.body.contains("linkgate_journal_sequence 1"), "{}", metrics.body);
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.handle.stopped()).await.unwrap();
}
