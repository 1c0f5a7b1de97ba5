//! The OpenAPI document changes only on purpose, and is whole.

use expect_test::expect_file;

use crate::admin::openapi;
use crate::admin::tests::fixture::{Double, server};

#[tokio::test]
async fn the_document_is_served_with_every_schema_that_it_refers_to() {
    let document = server().await.get("/openapi.json").await;
    assert_eq!(document, openapi::build::<Double>());
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][reference].is_object(), "{reference}");
    }
}

/// The document must change only on purpose: `UPDATE_EXPECT=1 cargo test --workspace --lib openapi` writes it
/// again.
#[test]
fn the_openapi_document_matches_the_snapshot() {
    let text = serde_json::to_string_pretty(&openapi::build::<Double>()).unwrap() + "\n";
    expect_file!["../../../../docs/openapi.json"].assert_eq(&text);
}
