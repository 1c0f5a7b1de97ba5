//! Links: show, create, delete.

use serde_json::{Value, json};

use crate::admin::tests::fixture::{LINKS, server};

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
