//! The OpenAPI document matches the served API.

use crate::admin::openapi;
use crate::admin::tests::fixture::server;

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

/// The document must change only on purpose: `UPDATE_SNAPSHOTS=1 cargo test -p linkgate-proxy openapi` writes
/// it again.
#[test]
fn the_openapi_document_matches_the_snapshot() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let text = serde_json::to_string_pretty(&openapi::build()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
}
