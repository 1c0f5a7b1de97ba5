//! Configs of a link: show with defaults, alter together.

use serde_json::json;

use crate::admin::tests::fixture::{LINKS, server};

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
