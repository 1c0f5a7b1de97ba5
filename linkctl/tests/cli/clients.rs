//! `linkctl clients`

use serde_json::{Value, json};

use crate::run::{linkctl, prints};
use crate::server::Server;

const FIRST: &str = "GET /clients?page_size=1000&page_token=0";

fn client(id: u64, name: &str, principal: &str, authenticated: bool) -> Value {
    json!({
        "kind": "KafkaClientConnection", "connection_id": id, "peer": "10.0.0.1:4000",
        "broker_id": if id == 1 { Value::Null } else { json!(2) }, "client_id": name,
        "software_name": if id == 1 { "" } else { "librdkafka" }, "software_version": if id == 1 { "" } else { "2.12.1" },
        "sasl_mechanism": "PLAIN", "principal": principal, "authenticated": authenticated,
        "connected_ms": 1_742_984_512_000_i64, "requests": 7, "bytes_in": 100, "bytes_out": 20_000,
        "last_produce_ms": null, "last_fetch_ms": 1_742_984_513_000_i64,
    })
}

fn page(next: Option<&str>, data: &[Value]) -> String {
    json!({"kind": "L", "metadata": {"self": "", "next": next}, "data": data}).to_string()
}

#[test]
fn clients_of_all_pages_are_shown_as_table_plain_and_json() {
    let first = page(Some("http://elsewhere/x?page_token=1"), &[client(1, "", "alice", false)]);
    let second = page(None, &[client(9, "app", "bob", true)]);
    let server =
        Server::start(&[(FIRST, 200, &first), ("GET /clients?page_size=1000&page_token=1", 200, &second)]);
    prints(
        linkctl(&server, &["clients"]),
        "CLIENT ID  PRINCIPAL  SOFTWARE           PEER           BROKER  CONNECTED            REQUESTS   IN    OUT  LAST PRODUCE  LAST FETCH\n\
         -          alice?     -                  10.0.0.1:4000  -       2025-03-26 10:21:52         7  100  20000  -             2025-03-26 10:21:53\n\
         app        bob        librdkafka 2.12.1  10.0.0.1:4000  2       2025-03-26 10:21:52         7  100  20000  -             2025-03-26 10:21:53",
    );
    let plain = linkctl(&server, &["clients", "-o", "plain"]);
    assert!(plain.out.starts_with("-\talice?\t-\t10.0.0.1:4000\t-\t"), "{}", plain.out);
    let shown: Value = serde_json::from_str(&linkctl(&server, &["clients", "-o", "json"]).out).unwrap();
    assert_eq!((&shown[0]["connection_id"], &shown[1]["authenticated"]), (&json!(1), &json!(true)));
}

#[test]
fn filters_go_to_the_server_encoded() {
    let path = format!("{FIRST}&client_id=a%26b&principal=CN%3Dx");
    let server = Server::start(&[(&path, 200, &page(None, &[]))]);
    prints(linkctl(&server, &["clients", "--client-id", "a&b", "--principal", "CN=x"]), "No clients.");
}

#[test]
fn help_explains_the_columns() {
    let server = Server::start(&[]);
    let help = linkctl(&server, &["clients", "--help"]);
    assert_eq!(help.code, 0);
    assert!(
        help.out.contains("no broker has accepted") && help.out.contains("linkctl clients --watch"),
        "{}",
        help.out
    );
}
