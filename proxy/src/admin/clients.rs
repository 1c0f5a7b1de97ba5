//! `/clusters/{cid}/clients`: the open connections of Kafka clients.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{ClientData, DataList, ListMetadata};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::gateway::ClientConnection;

/// Default and maximum number of entries in a page.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// `GET …/clients`, ordered by connection number. `page_token` is the number after which the page begins.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let size = call.number("page_size", PAGE as u64)?;
    let size =
        usize::try_from(size).ok().filter(|size| (1..=LARGEST_PAGE).contains(size)).ok_or_else(|| {
            Problem::bad_request(format!("page_size={size}: expected a number from 1 to {LARGEST_PAGE}"))
        })?;
    let after = call.number("page_token", 0)?;
    let (client_id, principal) = (call.query("client_id"), call.query("principal"));
    let wanted = |one: &ClientConnection| {
        client_id.is_none_or(|wanted| wanted == one.identity.client_id)
            && principal.is_none_or(|wanted| wanted == one.identity.principal)
    };
    // An extra entry shows that there is another page.
    let mut page = admin.clients.page(after, size + 1, wanted);
    let next = (page.len() > size).then(|| {
        page.truncate(size);
        let last = page.last().map_or(after, |one| one.id).to_string();
        let size = size.to_string();
        let mut query = vec![("page_size", size.as_str()), ("page_token", last.as_str())];
        query.extend(client_id.map(|value| ("client_id", value)));
        query.extend(principal.map(|value| ("principal", value)));
        call.url_with(&["clusters", &cluster, "clients"], &query)
    });
    Ok(json(&DataList {
        kind: "KafkaClientConnectionList".into(),
        metadata: ListMetadata { next, ..call.list_metadata(&["clusters", &cluster, "clients"]) },
        data: page.into_iter().map(body).collect::<Vec<_>>(),
    }))
}

fn body(one: ClientConnection) -> ClientData {
    let identity = one.identity;
    ClientData {
        kind: "KafkaClientConnection".into(),
        connection_id: one.id,
        peer: one.peer.to_string(),
        broker_id: one.broker,
        client_id: identity.client_id,
        software_name: identity.software_name,
        software_version: identity.software_version,
        sasl_mechanism: identity.sasl_mechanism,
        principal: identity.principal,
        authenticated: identity.authenticated,
        connected_ms: one.connected_ms,
        requests: one.requests,
        bytes_in: one.bytes_in,
        bytes_out: one.bytes_out,
        last_produce_ms: one.last_produce_ms,
        last_fetch_ms: one.last_fetch_ms,
    }
}
