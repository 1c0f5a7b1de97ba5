//! The list of clients: pages, filters, and what is refused.

use serde_json::json;

use super::fixture::server;

const CLIENTS: &str = "/v3/clusters/CID/clients";

#[tokio::test]
async fn pages_are_bounded_and_lead_to_the_next() {
    let server = server().await;
    let page = server.get(CLIENTS).await;
    assert_eq!(page["kind"], "KafkaClientConnectionList");
    assert_eq!((&page["data"], &page["metadata"]["next"]), (&json!([]), &json!(null)));
    for wrong in ["page_size=0", "page_size=1001", "page_size=x", "page_token=-1"] {
        let answer = server.ask("GET", &format!("{CLIENTS}?{wrong}"), "").await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
