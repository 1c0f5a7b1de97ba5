//! Mirror topics: list, show, create, and actions.

use serde_json::{Value, json};
use state::model::LinkState;

use crate::admin::tests::fixture::{LINKS, server};

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
    let partition = &users["linkgate"]["partitions"][0];
    assert_eq!(partition["start_offset"], 7);
    let filling = &partition["filling"];
    assert_eq!((&filling["from"], &filling["to"], &filling["done"]), (&json!(50), &json!(130), &json!(40)));
    assert_eq!(filling["percent"], 50);
    assert!(filling["eta_ms"].as_i64().unwrap() > 0);
    assert_eq!(partition["last_jump"], json!({"from": 20, "to": 30, "at_ms": 6, "count": 2}));
    assert_eq!(
        partition["open_transaction"],
        json!({"first_offset": 95, "offsets_held_back": 5, "producer_id": 4, "producer_epoch": 2, "since_ms": 60})
    );
    assert_eq!(partition["unkeyed_records"], 3);
    let old = server.get(&format!("{LINKS}/dr/mirrors/old")).await;
    assert!(old["linkgate"]["partitions"][0].get("filling").is_none());
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
async fn a_listing_may_leave_out_partitions() {
    let server = server().await;
    let brief =
        server.get(&format!("{LINKS}/dr/mirrors?include_partitions=false&mirror_status=active")).await;
    let users = &brief["data"][0];
    assert_eq!((brief["data"].as_array().unwrap().len(), &users["mirror_topic_name"]), (1, &json!("users")));
    assert_eq!((&users["mirror_lags"], &users["linkgate"]["partitions"]), (&json!([]), &json!([])));
    assert_eq!(users["num_partitions"], 1);
}

#[tokio::test]
async fn every_mirror_status_of_the_api_may_be_listed() {
    let server = server().await;
    for state in ["PENDING_SYNCHRONIZE", "PENDING_SETUP_FOR_RESTORE", "PENDING_RESTORE", "LINK_PAUSED"] {
        let none = server.get(&format!("{LINKS}/-/mirrors?mirror_status={state}")).await;
        assert_eq!(none["data"], json!([]), "{state}");
    }
}

#[tokio::test]
async fn a_promoted_topic_does_not_lag_after_a_restart() {
    let server = server().await;
    let old = server.get(&format!("{LINKS}/dr/mirrors/old")).await;
    assert_eq!(old["mirror_lags"][0]["lag"], 0);
    let partition = &old["linkgate"]["partitions"][0];
    assert_eq!((&partition["lag"], &partition["local_log_end_offset"]), (&json!(0), &json!(55)));
}

#[tokio::test]
async fn a_status_that_follows_from_the_link_has_the_time_of_the_link() {
    let server = server().await;
    server.alter_link(|link| (link.state, link.state_ms) = (LinkState::Paused, 99)).await;
    let users = server.get(&format!("{LINKS}/dr/mirrors/users")).await;
    assert_eq!((&users["mirror_status"], &users["state_time_ms"]), (&json!("LINK_PAUSED"), &json!(99)));
    let old = server.get(&format!("{LINKS}/dr/mirrors/old")).await;
    assert_eq!((&old["mirror_status"], &old["state_time_ms"]), (&json!("STOPPED"), &json!(7)));
    // It is unknown whether the source of a paused link is available.
    let link = server.get(&format!("{LINKS}/dr")).await;
    assert_eq!(link["linkgate"]["remote_cluster_available"], false);
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
async fn a_validated_creation_returns_a_forecast() {
    let server = server().await;
    let body = json!({"source_topic_name": "t", "configs": [
        {"name": "mirror.start.offset.spec", "value": "2026-01-01T00:00:00Z"}]});
    let path = format!("{LINKS}/dr/mirrors?validate_only=true");
    let answer = server.ask("POST", &path, &body.to_string()).await;
    assert_eq!(answer.status, 200);
    let told = server.double.told.lock().unwrap().pop().unwrap();
    assert!(told.starts_with("forecast ") && told.contains("mirror.start.offset.spec"), "{told}");
    let forecast = answer.json();
    assert_eq!(forecast["kind"], "KafkaMirrorForecast");
    assert_eq!(forecast["start_offset_spec"], "2026-01-01T00:00:00Z");
    assert_eq!((&forecast["offsets_to_fill"], &forecast["offsets_to_copy"]), (&json!(7), &json!(5)));
    assert_eq!((&forecast["estimated_fill_ms"], &forecast["estimated_fill_bytes"]), (&json!(1), &json!(90)));
    assert_eq!(
        forecast["partitions"][0],
        json!({"partition": 0, "source_log_start_offset": 5, "start_offset": 7, "source_high_watermark": 10,
            "offsets_to_fill": 7, "offsets_to_copy": 3})
    );
    let refused = json!({"source_topic_name": "broken"}).to_string();
    assert_eq!(server.ask("POST", &path, &refused).await.status, 409);
}

#[tokio::test]
async fn filler_is_counted_on_request_and_the_result_is_kept() {
    let server = server().await;
    for link in ["dr", "-"] {
        let old = server.get(&format!("{LINKS}/{link}/mirrors/old/filler")).await;
        assert_eq!(
            (&old["state"], &old["percent"], &old["filler_offsets"]),
            (&json!("DONE"), &json!(100), &json!(4))
        );
        assert_eq!(
            (&old["gateway_needed"], &old["partitions"][0]["last_filler_offset"]),
            (&json!(true), &json!(20))
        );
        let explanation = old["explanation"].as_str().unwrap();
        assert!(explanation.starts_with("filler up to offset 20 of partition 0;"), "{explanation}");
        assert_eq!(
            old["metadata"]["self"],
            "http://gate:8090/kafka/v3/clusters/CID/links/dr/mirrors/old/filler"
        );
    }
    let none = server.get(&format!("{LINKS}/dr/mirrors/users/filler")).await;
    assert_eq!(
        (&none["state"], &none["started_ms"], &none["partitions"]),
        (&json!("NONE"), &Value::Null, &json!([]))
    );

    let scan = server.ask("POST", &format!("{LINKS}/dr/mirrors/old/filler:scan"), "").await;
    assert_eq!((scan.status, &scan.json()["state"]), (200, &json!("RUNNING")));
    assert_eq!(server.double.told.lock().unwrap().pop().unwrap(), "scan old");
    for (method, path) in [("GET", "nope/filler"), ("POST", "nope/filler:scan")] {
        let missing = server.ask(method, &format!("{LINKS}/dr/mirrors/{path}"), "").await;
        assert_eq!(
            (missing.status, &missing.json()["message"]),
            (404, &json!("Topic 'nope' is not a mirror topic."))
        );
    }
    assert_eq!(server.ask("POST", &format!("{LINKS}/dr/mirrors/old/filler"), "").await.status, 405);
}
