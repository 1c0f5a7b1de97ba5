//! The list of clients: pages and invalid parameters.

use serde_json::json;

use crate::admin::tests::fixture::server;

const CLIENTS: &str = "/v3/clusters/CID/clients";

#[tokio::test]
async fn an_empty_page_has_no_next_and_invalid_parameters_are_refused() {
    let server = server().await;
    let page = server.get(CLIENTS).await;
    assert_eq!(page["kind"], "KafkaClientConnectionList");
    assert_eq!((&page["data"], &page["metadata"]["next"]), (&json!([]), &json!(null)));
    for wrong in ["page_size=0", "page_size=1001", "page_size=x", "page_token=-1"] {
        let answer = server.ask("GET", &format!("{CLIENTS}?{wrong}"), "").await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
